#!/usr/bin/env python3
"""Runs small models through `saha infer` and through onnxruntime (or onnx's reference evaluator) and compares the results.

  peer_check.py ml|opsets|microsoft --saha PATH/TO/saha [--only REGEX]

The cases are functions of peer_cases_<topic>.py that yield (name, model, inputs[, tolerance]). Prints the failures and, last,
`N passed, N failed, N refused by both`. Needs: pip install onnxruntime onnx==1.23.2 numpy skl2onnx scikit-learn.
"""
import argparse, importlib, os, re, shutil, subprocess, sys, tempfile, warnings

warnings.filterwarnings("ignore")
import numpy as np
import onnx
import onnxruntime as ort
from onnx import numpy_helper
from onnx.reference import ReferenceEvaluator

ort.set_default_logger_severity(4)


def saha(cmd, model, inputs, extra=()):
    work = tempfile.mkdtemp()
    try:
        path = os.path.join(work, "model.onnx")
        onnx.save(model, path)
        os.mkdir(work + "/in"), os.mkdir(work + "/out")
        for i, x in enumerate(inputs):
            open(f"{work}/in/input_{i}.pb", "wb").write(numpy_helper.from_array(x).SerializeToString())
        done = subprocess.run([cmd, "infer", path, "--inputs", work + "/in", "--outputs", work + "/out", *extra], capture_output=True, text=True, timeout=60)
        if done.returncode:
            raise RuntimeError("saha: " + (done.stderr.strip().splitlines() or ["no message"])[-1][:300])
        return [numpy_helper.to_array(onnx.TensorProto.FromString(open(f"{work}/out/output_{i}.pb", "rb").read())) for i in range(len(model.graph.output))]
    finally:
        shutil.rmtree(work, ignore_errors=True)


def peer(model, inputs, which):
    """onnxruntime; where it lacks the operator version, onnx's reference evaluator."""
    names = [i.name for i in model.graph.input]
    feed = dict(zip(names, inputs))
    if which == "reference":
        return ReferenceEvaluator(model).run(None, feed), which
    try:
        o = ort.SessionOptions()
        o.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
        return ort.InferenceSession(model.SerializeToString(), o, providers=["CPUExecutionProvider"]).run(None, feed), "onnxruntime"
    except Exception as first:
        try:
            return ReferenceEvaluator(model).run(None, feed), "reference"
        except Exception:
            raise RuntimeError("peer: " + str(first).strip().replace("\n", " ")[:300])


def compare(want, got, tol):
    for k, (w, g) in enumerate(zip(want, got)):
        w, g = np.asarray(w), np.asarray(g)
        if w.shape != g.shape:
            return f"output {k}: shape {g.shape}, {w.shape} expected"
        if w.dtype != g.dtype and w.dtype.kind not in "OSUT":
            return f"output {k}: type {g.dtype}, {w.dtype} expected"
        if w.dtype.kind in "OSUT":
            if not (w.astype(str) == g.astype(str)).all():
                return f"output {k}: strings differ"
        elif w.dtype.kind in "iub":
            off = np.abs(w.astype(np.int64) - g.astype(np.int64))
            if (off > tol.get("steps", 0)).any():
                return f"output {k}: {int((off > tol.get('steps', 0)).sum())} of {w.size} integers differ, by up to {off.max()}: {g.ravel()[:6]} for {w.ravel()[:6]}"
        else:
            w, g = w.astype(np.float64), g.astype(np.float64)
            if not np.allclose(w, g, rtol=tol.get("rtol", 1e-4), atol=tol.get("atol", 1e-5), equal_nan=True):
                return f"output {k}: {g.ravel()[:6]} for {w.ravel()[:6]}, largest difference {np.nanmax(np.abs(w - g))}"
    return None


def main():
    a = argparse.ArgumentParser()
    a.add_argument("topic", choices=["ml", "opsets", "microsoft"])
    a.add_argument("--saha", required=True)
    a.add_argument("--only", default="")
    z = a.parse_args()
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    passed = failed = refused = 0
    for case in importlib.import_module("peer_cases_" + z.topic).cases():
        name, model, inputs = case[:3]
        tol = case[3] if len(case) > 3 else {}
        if not re.search(z.only, name):
            continue
        want = got = None
        try:
            want, who = peer(model, inputs, tol.get("peer"))
        except Exception as e:
            want = str(e)
        try:
            got = saha(z.saha, model, inputs)
        except Exception as e:
            got = str(e)
        if isinstance(tol.get("expect"), list):
            want, who = tol["expect"], "by hand"
        if isinstance(want, str) and isinstance(got, str):
            refused += 1
            print(f"refused by both {name}: {got} | {want[:120]}")
            continue
        why = got if isinstance(got, str) else None if isinstance(want, str) and tol.get("peer_lacks") else want if isinstance(want, str) else compare(want, got, tol)
        if why:
            failed += 1
            print(f"FAIL {name}: {why}")
        else:
            passed += 1
    print(f"{passed} passed, {failed} failed, {refused} refused by both")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
