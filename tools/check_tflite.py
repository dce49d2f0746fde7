#!/usr/bin/env python3
"""TensorFlow Lite models on `saha infer` and on LiteRT's reference kernels, the same inputs: are the results equal bit for bit (integer models),
how far are they apart (float models).

usage: check_tflite.py SAHA MODEL.tflite... [--inputs DIR] [--count N] [--seed S]
Needs the packages ai-edge-litert and numpy. --inputs: a folder whose *.npy files (one input each) are used beside random ones.
"""
import argparse
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType


def random_input(detail: dict, rng: np.random.Generator) -> np.ndarray:
    shape, dtype = detail["shape"], detail["dtype"]
    if np.issubdtype(dtype, np.floating):
        return rng.standard_normal(shape).astype(dtype)
    info = np.iinfo(dtype)
    return rng.integers(max(info.min, -128), min(info.max, 255), shape, endpoint=True).astype(dtype)


def by_saha(saha: str, model: pathlib.Path, inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
    with tempfile.TemporaryDirectory() as folder:
        args = [saha, "infer", str(model), "--save", folder]
        for name, value in inputs.items():
            path = pathlib.Path(folder) / f"in_{len(args)}.npy"
            np.save(path, value)
            args += ["--input", f"{name}={path}" if len(inputs) > 1 else str(path)]
        run = subprocess.run(args, capture_output=True, text=True)
        if run.returncode:
            raise RuntimeError(run.stderr.strip())
        return {p.stem: np.load(p) for p in pathlib.Path(folder).glob("*.npy") if not p.stem.startswith("in_")}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("saha")
    parser.add_argument("models", nargs="+", type=pathlib.Path)
    parser.add_argument("--inputs", type=pathlib.Path)
    parser.add_argument("--count", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    a = parser.parse_args()
    failed = False
    for model in a.models:
        try:
            reference = Interpreter(str(model), experimental_op_resolver_type=OpResolverType.BUILTIN_REF)
            reference.allocate_tensors()
        except Exception as e:  # the reference refuses the model
            print(f"{model.name}: LiteRT refuses it: {str(e).splitlines()[0]}")
            continue
        rng = np.random.default_rng(a.seed)
        samples = [[random_input(d, rng) for d in reference.get_input_details()] for _ in range(a.count)]
        if a.inputs:
            samples += [[np.load(p)] for p in sorted(a.inputs.glob("*.npy"))]
        worst, unequal, elements = 0.0, 0, 0
        try:
            for sample in samples:
                reference.reset_all_variables()
                for d, x in zip(reference.get_input_details(), sample):
                    reference.set_tensor(d["index"], x)
                reference.invoke()
                ours = by_saha(a.saha, model, {d["name"]: x for d, x in zip(reference.get_input_details(), sample)})
                for d in reference.get_output_details():
                    expected = reference.get_tensor(d["index"])
                    key = next((k for k in ours if k == d["name"].replace("/", "_").replace(":", "_") or k == d["name"]), None)
                    got = ours[key] if key else list(ours.values())[0] if len(ours) == 1 else None
                    if got is None:
                        raise RuntimeError(f"output {d['name']} is not among {list(ours)}")
                    if got.shape != expected.shape or got.dtype != expected.dtype:
                        raise RuntimeError(f"output {d['name']}: {got.dtype}{list(got.shape)}, LiteRT {expected.dtype}{list(expected.shape)}")
                    difference = np.abs(got.astype(np.float64) - expected.astype(np.float64))
                    worst = max(worst, float(difference.max(initial=0)))
                    unequal += int((difference != 0).sum())
                    elements += difference.size
        except RuntimeError as e:
            failed = True
            print(f"{model.name}: {str(e).splitlines()[-1]}")
            continue
        integer = any(not np.issubdtype(d["dtype"], np.floating) for d in reference.get_output_details())
        print(f"{model.name}: {unequal} of {elements} elements differ, at most {worst:.3g}" + (" steps" if integer else ""))
        failed |= integer and unequal > 0
    sys.exit(failed)


if __name__ == "__main__":
    main()
