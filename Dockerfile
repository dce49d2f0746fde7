# The demo in a container, on the CPU:  docker build -t saha . && docker run --rm -v "$PWD/demo:/saha/demo" saha
FROM debian:12
WORKDIR /saha
COPY . .
RUN ./run build && rm -rf /var/lib/apt/lists/*
# What the demo needs beside the build, so that a run installs nothing but the digits.
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends npm >/dev/null && rm -rf /var/lib/apt/lists/* \
 && .venv/bin/python -m pip install -q --disable-pip-version-check onnxruntime==1.32.0
ENTRYPOINT ["./run"]
CMD ["demo"]
