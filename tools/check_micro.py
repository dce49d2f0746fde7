#!/usr/bin/env python3
"""What TensorFlow Lite Micro's own interpreter says beside saha, on random input, element by element.

  pip install tflite-micro numpy
  tools/check_micro.py SAHA MODEL.tflite... [--count 3]

A line a model; models that Micro does not take are named with its reason. Differences are told, and are no failure: docs/decisions/0009 says which there are.
"""
import argparse
import os
import subprocess
import tempfile

import numpy as np
from tflite_micro.python.tflite_micro import runtime

args = argparse.ArgumentParser()
args.add_argument("saha")
args.add_argument("models", nargs="+")
args.add_argument("--count", type=int, default=3)
args = args.parse_args()


def random_input(rng, detail):
    dtype = np.dtype(detail["dtype"])
    if dtype.kind not in "iu":
        return rng.standard_normal(detail["shape"]).astype(dtype)
    return rng.integers(np.iinfo(dtype).min, np.iinfo(dtype).max + 1, detail["shape"], dtype=dtype)


def said_by_saha(model, x, shape):
    with tempfile.TemporaryDirectory() as work:
        np.save(f"{work}/x.npy", x)
        subprocess.run([args.saha, "infer", model, "--input", f"{work}/x.npy", "--save", f"{work}/y", "--quiet"], check=True, stdout=subprocess.DEVNULL)
        return next(y for y in (np.load(f"{work}/y/{name}") for name in sorted(os.listdir(f"{work}/y"))) if y.shape == shape)


for model in args.models:
    rng, differ, of, most = np.random.default_rng(1), 0, 0, 0
    try:
        for _ in range(args.count):
            micro = runtime.Interpreter.from_file(model, arena_size=64 << 20)   # a fresh one: its variables start anew
            x = random_input(rng, micro.get_input_details(0))
            micro.set_input(x, 0)
            micro.invoke()
            want = micro.get_output(0)
            gap = np.abs(said_by_saha(model, x, want.shape).astype(np.float64) - want.astype(np.float64))
            differ, of, most = differ + int((gap > 0).sum()), of + gap.size, max(most, gap.max())
    except (RuntimeError, ValueError, subprocess.CalledProcessError) as e:
        print(f"{os.path.basename(model)}: -: {e}")
        continue
    print(f"{os.path.basename(model)}: {differ} of {of} elements differ, at most {most:g}")
