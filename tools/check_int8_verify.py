#!/usr/bin/env python3
"""Proves properties of networks that saha quantised to int8, as they are deployed, and checks every verdict by executing the file in onnxruntime.

  tools/check_int8_verify.py SAHA --shared DIR [--family acasxu | mnist_fc] [--timeout 116] [--threads 2] [--count N] [--every N] [--samples 2000]

DIR/data/vnn holds the networks and properties of VNN-COMP (instances.csv names them). acasxu: all its properties on the quantised networks, calibrated on samples of the input
box. mnist_fc: the decision within 1, 2 and 3 grey levels of the properties' images. sat: the counterexample satisfies the property in onnxruntime as well. unsat: none of so many
random points of the box does. The exit code is 1 where a check fails or an instance is not decided.
"""
import argparse
import csv
import gzip
import json
import os
import re
import subprocess
import sys
import tempfile

import numpy as np
import onnxruntime as ort

args = argparse.ArgumentParser()
args.add_argument("saha")
args.add_argument("--shared", default=os.environ.get("SAHA_SHARED"))
args.add_argument("--family", choices=["acasxu", "mnist_fc"])
args.add_argument("--timeout", type=float, default=116)
args.add_argument("--threads", type=int, default=2)
args.add_argument("--count", type=int, default=10**9, help="instances of a family")
args.add_argument("--every", type=int, default=1, help="of acasxu, one property of so many")
args.add_argument("--samples", type=int, default=2000)
args = args.parse_args()
root, failed = f"{args.shared}/data/vnn", []


def unpacked(path):
    with gzip.open(path) if path.endswith(".gz") else open(path, "rb") as f:
        return f.read()


def expressions(text):
    """S-expressions as nested lists."""
    stack = [[]]
    for token in re.findall(r"[()]|[^\s()]+", re.sub(r";[^\n]*", "", text)):
        if token == "(":
            stack.append([])
        elif token == ")":
            stack[-2].append(stack.pop())
        else:
            stack[-1].append(token)
    return stack[0]


def value(e, x, y):
    if isinstance(e, list):
        v = [value(k, x, y) for k in e[1:]]
        return {"<=": lambda: v[0] <= v[1], ">=": lambda: v[0] >= v[1], "<": lambda: v[0] < v[1], ">": lambda: v[0] > v[1], "and": lambda: all(v), "or": lambda: any(v),
                "+": lambda: sum(v), "*": lambda: np.prod(v), "-": lambda: -v[0] if len(v) == 1 else v[0] - sum(v[1:])}[e[0]]()
    return float(x[int(e[2:])]) if e.startswith("X_") else float(y[int(e[2:])]) if e.startswith("Y_") else float(e)


class Property:
    """A VNN-LIB 1.0 file whose asserts bound inputs one by one, or join such bounds and rows of outputs."""

    def __init__(self, text):
        self.text, self.asserts = text, [e[1] for e in expressions(text) if e[0] == "assert"]
        n = len(re.findall(r"declare-const X_", text))
        self.lo, self.hi = np.full(n, -np.inf), np.full(n, np.inf)
        for e in self.asserts:
            self.bound(e, self.lo, self.hi)
        self.boxes = [(self.lo, self.hi)]
        if not np.isfinite(self.lo).all():   # each branch has a box
            self.boxes = []
            for e in (k for k in self.asserts if k[0] == "or"):
                for branch in e[1:]:
                    lo, hi = self.lo.copy(), self.hi.copy()
                    for k in branch[1:] if branch[0] == "and" else [branch]:
                        self.bound(k, lo, hi)
                    self.boxes.append((lo, hi))

    @staticmethod
    def bound(e, lo, hi):
        if e[0] in ("<=", ">=") and isinstance(e[1], str) and e[1].startswith("X_") and not e[2][0] in "XY(":
            i, v = int(e[1][2:]), float(e[2])
            if e[0] == "<=":
                hi[i] = min(hi[i], v)
            else:
                lo[i] = max(lo[i], v)

    def satisfied(self, x, y):
        """Inputs may leave their bounds by what float32 cannot tell."""
        near = np.clip(x, self.boxes[0][0], self.boxes[0][1]) if len(self.boxes) == 1 else x
        return np.abs(near - x).max() < 1e-6 and all(value(e, near, y) for e in self.asserts)


def run(*command):
    """stdout, and the CPU seconds of the process."""
    p = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    out = p.stdout.read()
    _, _, usage = os.wait4(p.pid, 0)
    return out, usage.ru_utime + usage.ru_stime


def quantised(model, samples, work):
    """The path of the int8 model and a function that runs it in onnxruntime."""
    name = os.path.basename(model).removesuffix(".onnx.gz")
    path, data = f"{work}/{name}.int8.onnx", f"{work}/{name}.npz"
    if not os.path.exists(path):
        with open(f"{work}/{name}.onnx", "wb") as f:
            f.write(unpacked(model))
        plain = ort.InferenceSession(f"{work}/{name}.onnx", providers=["CPUExecutionProvider"]).get_inputs()[0]
        shape = [1 if isinstance(d, str) else d for d in plain.shape]
        np.savez(data, **{plain.name: samples.astype(np.float32).reshape([-1] + shape[1:])})
        subprocess.run([args.saha, "quantize", f"{work}/{name}.onnx", "-o", path, "--data", data, "--calibrate", "minmax", "--quiet"], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    options = ort.SessionOptions()
    options.add_session_config_entry("session.x64quantprecision", "1")
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    port = session.get_inputs()[0]
    shape = [1 if isinstance(d, str) else d for d in port.shape]
    return path, lambda x: session.run(None, {port.name: x.astype(np.float32).reshape(shape)})[0].ravel()


def decide(title, model, execute, prop, work):
    """Verdict and CPU seconds; tells what is wrong."""
    file = f"{work}/property.vnnlib"
    with open(file, "w") as f:
        f.write(prop.text)
    out, cpu = run(args.saha, "verify", model, file, "--timeout", str(args.timeout), "--threads", str(args.threads), "--json", "--quiet")
    said = json.loads(out or b'{"verdict": "error"}')
    wrong = []
    if said["verdict"] == "sat":
        x = np.array(said["counterexample"]["x"])
        if not prop.satisfied(x, execute(x)):
            wrong.append(f"onnxruntime gives {execute(x)}, which is no counterexample")
    elif said["verdict"] == "unsat":
        rng = np.random.default_rng(1)
        for k in range(args.samples):
            lo, hi = prop.boxes[k % len(prop.boxes)]
            x = (lo + rng.uniform(size=lo.shape) * (hi - lo) if k % 4 else np.where(rng.uniform(size=lo.shape) < 0.5, lo, hi)).astype(np.float32).astype(np.float64)
            if prop.satisfied(x, execute(x)):
                wrong.append(f"onnxruntime breaks the property at {x[:8]}")
                break
    else:
        wrong.append(f"not decided: {said.get('why')}")
    failed.extend(f"{title}: {w}" for w in wrong)
    print(f"{title}: {said['verdict']} by {said.get('method')}, {said.get('regions')} regions, {cpu:.2f} s CPU{'; ' + wrong[0] if wrong else ''}", flush=True)
    return said["verdict"], cpu


def summary(family, results, float_verdicts=None):
    cpu = sorted(c for _, c in results)
    counts = {v: sum(r == v for r, _ in results) for v in ("unsat", "sat", "unknown", "timeout", "error")}
    changed = f", {sum(v != f for (v, _), f in zip(results, float_verdicts))} verdicts other than the float network's" if float_verdicts else ""
    print(f"{family}: {len(results)} instances, " + ", ".join(f"{n} {v}" for v, n in counts.items() if n) + f"; CPU median {cpu[len(cpu) // 2]:.2f} s, most {cpu[-1]:.2f} s{changed}", flush=True)


with tempfile.TemporaryDirectory() as work, open(f"{root}/instances.csv") as f:
    instances = [r for r in csv.DictReader(f)]
    if args.family in (None, "acasxu"):
        rng = np.random.default_rng(0)
        lo, hi = np.array([-0.328422877, -0.5, -0.5, -0.5, -0.5]), np.array([0.6798577687, 0.5, 0.5, 0.5, 0.5])
        rows, results = [r for r in instances if r["family"] == "acasxu"][::args.every][:args.count], []
        for r in rows:
            model, execute = quantised(f"{root}/{r['onnx']}", rng.uniform(lo, hi, (2000, 5)), work)
            results.append(decide(os.path.basename(r["onnx"])[13:16] + " " + os.path.basename(r["vnnlib"])[:-10], model, execute, Property(unpacked(f"{root}/{r['vnnlib']}").decode()), work))
        summary("acasxu", results, [r["verdict"] for r in rows])
    if args.family in (None, "mnist_fc"):
        folder, images = f"{root}/mnist_fc", {}
        for name in sorted(os.listdir(f"{folder}/vnnlib")):
            eps = float(name.split("_")[2].removesuffix(".vnnlib.gz"))
            p = Property(unpacked(f"{folder}/vnnlib/{name}").decode())
            images.setdefault(name.split("_")[1], (np.where(p.lo > 0, p.lo + eps, p.hi - eps), p))
        rng = np.random.default_rng(0)
        samples = np.clip(np.concatenate([x + rng.uniform(-0.05, 0.05, (20, x.size)) for x, _ in images.values()]), 0, 1)
        for model in sorted(os.listdir(f"{folder}/onnx")):
            path, execute = quantised(f"{folder}/onnx/{model}", samples, work)
            for levels in (1, 2, 3):
                results = []
                for name, (x, p) in list(images.items())[:args.count]:
                    low, high = np.clip(x - levels / 255, 0, 1), np.clip(x + levels / 255, 0, 1)
                    box = "".join(f"(assert (>= X_{i} {low[i]:.9f}))\n(assert (<= X_{i} {high[i]:.9f}))\n" for i in range(x.size))
                    text = re.sub(r"\(assert \([<>]= X_\d+ [^)]*\)\)\n?", "", p.text)
                    at = text.index("(assert")
                    results.append(decide(f"{model[:-8]} image {name}, {levels} levels", path, execute, Property(text[:at] + box + text[at:]), work))
                summary(f"{model[:-8]}, {levels} grey levels", results)

for line in failed:
    print("FAILED " + line)
sys.exit(1 if failed else 0)
