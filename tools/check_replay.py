#!/usr/bin/env python3
"""Measures what `saha verify --replay` saves: properties of ACAS Xu are proved of the float networks, then of changed ones from the beginning and by replay.

  tools/check_replay.py SAHA --shared DIR [--least 0.05] [--runs 3] [--timeout 60] [--every N]

DIR/data/vnn holds the networks and properties of VNN-COMP (instances.csv names them). Of each network two others are made: `weights`, in float arithmetic with weights that were quantised to int8
and back, a scale a channel; `int8`, quantised as a whole, which is proved as a function of its integers. Listed are the instances that take at least so many CPU seconds from the beginning and whose
float network has a proof to replay: CPU seconds of the whole program, one thread, the least of so many runs. `half` is what a replay would take that bounds a tree's leaves at what a region costs from the
beginning, and nothing else. Every verdict is compared with that from the beginning; the exit code is 1 where a replay says otherwise, or where one of the two decides nothing.
"""
import argparse
import csv
import gzip
import json
import os
import subprocess
import sys
import tempfile

import numpy as np
import onnx
from onnx import numpy_helper

args = argparse.ArgumentParser()
args.add_argument("saha")
args.add_argument("--shared", default=os.environ.get("SAHA_SHARED"))
args.add_argument("--least", type=float, default=0.05)
args.add_argument("--runs", type=int, default=3)
args.add_argument("--timeout", type=float, default=60)
args.add_argument("--every", type=int, default=1, help="one instance of so many")
args = args.parse_args()
root, failed, ratios = f"{args.shared}/data/vnn", [], {"weights": [], "int8": []}


def run(runs, *command):
    """Verdict, regions, and the least CPU seconds of so many runs of the process."""
    least, said = float("inf"), {"verdict": "error"}
    for _ in range(runs):
        p = subprocess.Popen([args.saha, "verify", *command, "--threads", "1", "--timeout", str(args.timeout), "--json", "--quiet"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        out = p.stdout.read()
        _, _, usage = os.wait4(p.pid, 0)
        least, said = min(least, usage.ru_utime + usage.ru_stime), json.loads(out or b'{"verdict": "error"}')
    return said["verdict"], said.get("regions", 0), least


def changed(path, samples, work):
    """The networks `weights` and `int8` of a float one."""
    name = path.removesuffix(".onnx")
    model = onnx.load(path)
    port = model.graph.input[-1] if len(model.graph.input) == 1 else next(i for i in model.graph.input if i.name not in {t.name for t in model.graph.initializer})
    shape = [d.dim_value or 1 for d in port.type.tensor_type.shape.dim]
    np.savez(f"{name}.npz", **{port.name: samples.astype(np.float32).reshape([-1] + shape[1:])})
    subprocess.run([args.saha, "quantize", path, "-o", f"{name}.int8.onnx", "--data", f"{name}.npz", "--calibrate", "minmax", "--quiet"], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for t in model.graph.initializer:                # matrices [in, out]
        w = numpy_helper.to_array(t)
        if w.ndim == 2 and w.size > 1:
            scale = np.maximum(np.abs(w).max(axis=0, keepdims=True), 1e-12) / 127
            t.CopyFrom(numpy_helper.from_array((np.rint(w / scale) * scale).astype(np.float32), t.name))
    onnx.save(model, f"{name}.weights.onnx")
    return {"weights": f"{name}.weights.onnx", "int8": f"{name}.int8.onnx"}


with tempfile.TemporaryDirectory() as work, open(f"{root}/instances.csv") as f:
    rng, networks = np.random.default_rng(0), {}
    lo, hi = np.array([-0.328422877, -0.5, -0.5, -0.5, -0.5]), np.array([0.6798577687, 0.5, 0.5, 0.5, 0.5])
    for r in [r for r in csv.DictReader(f) if r["family"] == "acasxu" and r["verdict"] == "unsat"][::args.every]:
        net, prop = f"{work}/{os.path.basename(r['onnx'])[:-3]}", f"{work}/{os.path.basename(r['vnnlib'])[:-3]}"
        for source, to in ((r["onnx"], net), (r["vnnlib"], prop)):
            with gzip.open(f"{root}/{source}") as packed, open(to, "wb") as plain:
                plain.write(packed.read())
        proof = f"{work}/proof"
        if run(1, net, prop, "--proof", proof)[0] != "unsat":
            continue
        if net not in networks:
            networks[net] = changed(net, rng.uniform(lo, hi, (2000, 5)), work)
        for kind, other in networks[net].items():
            title = f"{os.path.basename(net)[13:16]} {os.path.basename(prop)[:-7]}, {kind}"
            verdict, regions, cpu = run(1, other, prop)
            if cpu < args.least or verdict == "sat":
                continue
            verdict, regions, cpu = run(args.runs, other, prop)
            again, leaves, replayed = run(args.runs, other, prop, "--replay", proof)
            if again != verdict or verdict != "unsat":
                failed.append(f"{title}: {verdict} from the beginning, {again} by replay")
            ratios[kind].append(cpu / replayed)
            print(f"{title}: {verdict}, {regions} regions, {cpu:.3f} s; replay {leaves} regions, {replayed:.3f} s: {cpu / replayed:.2f} times; half {cpu / 2:.3f} s", flush=True)
for kind, found in ratios.items():
    if found:
        print(f"{kind}: {len(found)} instances of {args.least} s or more; faster by {np.median(found):.2f} times at the median, {min(found):.2f} at worst, {max(found):.2f} at best")
for line in failed:
    print("FAILED " + line)
sys.exit(1 if failed else 0)
