"""One call through Python, inputs given as arrays: saha's session beside onnxruntime and LiteRT, by turns; least and median microseconds of this process's own time.
tiny_python.py MODEL.onnx... (PYTHONPATH=build/release/python; engines that are not installed are left out; LiteRT runs what saha writes of the model)"""
import os
import statistics
import sys
import tempfile
import time

import numpy as np

import saha


def engines(path, folder):
    """(name, a call without arguments that gives the first output) of each engine that is here."""
    model = saha.load(path)
    x = {v.name: np.random.default_rng(0).standard_normal([d if isinstance(d, int) else 1 for d in v.shape]).astype("float32") for v in model.inputs}
    session, first = model.session(), model.outputs[0].name
    yield "saha", lambda: session.run(x)[first]
    yield "saha, Model.run", lambda: model.run(x)[first]
    try:
        import onnxruntime as ort

        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        s = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        yield "onnxruntime", lambda: s.run([first], x)[0]
        binding = s.io_binding()
        for name, array in x.items():
            binding.bind_cpu_input(name, array)
        binding.bind_output(first)
        yield "onnxruntime, bound", lambda: (s.run_with_iobinding(binding), binding.get_outputs()[0].numpy())[1]
        yield "onnxruntime, bound, output not read", lambda: s.run_with_iobinding(binding)
    except ImportError:
        pass
    try:
        from ai_edge_litert.interpreter import Interpreter

        lite = os.path.join(folder, "model.tflite")
        model.save(lite)
        i = Interpreter(lite, num_threads=1)
        i.allocate_tensors()
        given = [(d["index"], np.ascontiguousarray(a)) for d, a in zip(i.get_input_details(), x.values()) if tuple(d["shape"]) == a.shape]
        out = i.get_output_details()[0]["index"]
        if len(given) == len(x):
            yield "LiteRT", lambda: ([i.set_tensor(k, a) for k, a in given], i.invoke(), i.get_tensor(out))[2]
            yield "LiteRT, input set once", lambda: (i.invoke(), i.get_tensor(out))[1]
    except ImportError:
        pass


for path in sys.argv[1:]:
    with tempfile.TemporaryDirectory() as folder:
        rows = [(name, call, []) for name, call in engines(path, folder)]
        expected = np.asarray(rows[0][1]())
        for name, call, _ in rows:
            y = call()
            assert y is None or np.allclose(np.asarray(y).reshape(expected.shape), expected, atol=1e-4), name
            for _ in range(100):
                call()
        for _ in range(200):
            for _, call, us in rows:
                start = time.process_time_ns()
                for _ in range(100):
                    call()
                us.append((time.process_time_ns() - start) / 1e5)
        print(os.path.basename(path))
        for name, _, us in rows:
            print(f"  {name:<36} min {min(us):7.2f} us   median {statistics.median(us):7.2f} us   {min(us) / min(rows[0][2]):6.2f} of saha's")
