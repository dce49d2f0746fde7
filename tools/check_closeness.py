#!/usr/bin/env python3
"""How many boxes it takes to prove that a compressed network stays close to the original, by pairs of ReLUs and on the product of both networks.

  tools/check_closeness.py SAHA --shared DIR [--only REGEX] [--factors 1.5,2,4] [--cap 60] [--kinds int8,bfloat16,moved,qdq,class] [--csv F] [--threads 1]

DIR/data/vnn holds the networks of VNN-COMP. The cases, by rule: five of the 45 ACAS Xu networks, those with the number 1, 12, 23, 34 and 45, on the boxes of properties 1 and 3; the three of mnist_fc, on the first
property's picture with 5 x 5 of its middle free in [0, 1], and with every one of the 784 inputs free by 0.03. The copy of a network, by kind: int8, weights rounded to 8 bits, a
scale for each output; bfloat16, weights and biases rounded to that; moved, each weight moved by up to 0.01 % (seed 0); qdq, by `saha quantize` on 500 points of the box; class: of int8, that
where a class leads by twice eps in the original the copy has the same.

The largest difference of an output over the box is sought by gradient ascent, through gates that are smooth at first, and hill climbing, and by the verifier itself, asked for 1.2 times what is known until that is not
`sat`. The property is that no output differs by more than eps, for eps of so many times (--factors) what was found. A row gives that largest difference, eps in units of it, and how many boxes each way took: `>` where the cap on
CPU time ended it ("at least"). Below 10 boxes on the product a row can show no ratio of 10, and is not counted in the last line. An eps of 0.9 times what was found must be `sat`; the exit code is 1 where it is not, or
where one way says `sat` and the other `unsat`. Needs numpy, onnx, onnxruntime.
"""
import argparse
import csv
import gzip
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time

os.environ.setdefault("OMP_NUM_THREADS", "1")
import numpy as np
import onnx
import onnxruntime as ort
from onnx import numpy_helper

parser = argparse.ArgumentParser()
parser.add_argument("saha")
parser.add_argument("--shared", default=os.environ.get("SAHA_SHARED"))
parser.add_argument("--only", default="", help="of the names of the cases, as the table writes them")
parser.add_argument("--factors", default="1.5,2,4")
parser.add_argument("--kinds", default="int8,bfloat16,moved,qdq,class")
parser.add_argument("--cap", type=float, default=60, help="CPU seconds of a proof")
parser.add_argument("--threads", type=int, default=1)
parser.add_argument("--csv")
parser.add_argument("--paired-only", action="store_true", help="nothing on the product")
args = parser.parse_args()
root = f"{args.shared}/data/vnn"


def box_of(path):
    lo, hi = {}, {}
    for op, i, v in re.findall(r"\((<=|>=) X_(\d+) ([-+.\deE]+)\)", gzip.open(path, "rt").read()):
        (hi if op == "<=" else lo)[int(i)] = float(v)
    return np.array([lo[i] for i in range(len(lo))]), np.array([hi[i] for i in range(len(hi))])


def cases():
    """Name, network, box."""
    for k in (0, 11, 22, 33, 44):
        for prop in (1, 3):
            yield f"acasxu {k // 9 + 1}_{k % 9 + 1} p{prop}", f"{root}/acasxu/onnx/ACASXU_run2a_{k // 9 + 1}_{k % 9 + 1}_batch_2000.onnx.gz", box_of(f"{root}/acasxu/vnnlib/prop_{prop}.vnnlib.gz")
    lo, hi = box_of(f"{root}/mnist_fc/vnnlib/prop_0_0.03.vnnlib.gz")
    picture = np.where(lo <= 0, np.maximum(hi - 0.03, 0), np.where(hi >= 1, np.minimum(lo + 0.03, 1), (lo + hi) / 2))
    middle = np.array([28 * r + c for r in range(12, 17) for c in range(12, 17)])
    for depth in (2, 4, 6):
        net = f"{root}/mnist_fc/onnx/mnist-net_256x{depth}.onnx.gz"
        low, high = picture.copy(), picture.copy()
        low[middle], high[middle] = 0, 1
        yield f"mnist 256x{depth} 5x5", net, (low, high)
        yield f"mnist 256x{depth} ball", net, (np.maximum(picture - 0.03, 0), np.minimum(picture + 0.03, 1))


def unpacked(path):
    return onnx.load_from_string(gzip.open(path).read() if path.endswith(".gz") else open(path, "rb").read())


def moved(model, kind):
    """The copy: initialisers changed in place."""
    random, other = np.random.default_rng(0), onnx.ModelProto()
    other.CopyFrom(model)
    rows = {n.input[1] for n in model.graph.node if n.op_type == "Gemm" and any(a.name == "transB" and a.i for a in n.attribute)}
    for t in other.graph.initializer:
        w = numpy_helper.to_array(t)
        if w.dtype != np.float32 or not (w.ndim == 2 or kind == "bfloat16"):
            continue
        if kind == "int8":
            scale = np.maximum(np.abs(w).max(1 if t.name in rows else 0, keepdims=True), 1e-30) / 127
            w = (np.round(w / scale) * scale).astype(np.float32)
        elif kind == "bfloat16":
            w = ((w.view(np.uint32) + 0x7FFF + (w.view(np.uint32) >> 16 & 1)) & 0xFFFF0000).astype(np.uint32).view(np.float32)
        else:
            w = (w * (1 + random.uniform(-1e-4, 1e-4, w.shape))).astype(np.float32)
        t.CopyFrom(numpy_helper.from_array(w, t.name))
    return other


class Dense:
    """A network of products, sums and ReLUs in float64, and its slopes."""

    def __init__(self, model):
        constants = {t.name: numpy_helper.to_array(t).astype(np.float64) for t in model.graph.initializer}
        self.steps = []
        for n in model.graph.node:
            c = [constants[i] for i in n.input if i in constants]
            if n.op_type == "Gemm":
                flags = {a.name: a.i for a in n.attribute}
                self.steps += [("times", c[0].T if flags.get("transB") else c[0]), ("plus", c[1].reshape(-1))]
            elif n.op_type == "MatMul":
                self.steps.append(("times", c[0]))
            elif n.op_type in ("Add", "Sub"):
                self.steps.append(("plus", (c[0] if n.op_type == "Add" else -c[0]).reshape(-1)))
            elif n.op_type == "Relu":
                self.steps.append(("relu", None))
            elif n.op_type not in ("Flatten", "Reshape"):
                sys.exit(f"error: {n.op_type} is not known here")

    def __call__(self, x):
        for kind, w in self.steps:
            x = x @ w if kind == "times" else x + w if kind == "plus" else np.maximum(x, 0)
        return x

    def slopes(self, x, direction, soft):
        """Of `direction` times the outputs; ReLUs bend over `soft` of what their operands vary by, so that the signs that few inputs change are seen."""
        signs = []
        for kind, w in self.steps:
            signs.append(1 / (1 + np.exp(-np.clip(x / (soft * x.std() + 1e-12), -50, 50))) if kind == "relu" else None)
            x = x @ w if kind == "times" else x + w if kind == "plus" else np.maximum(x, 0)
        for (kind, w), on in zip(reversed(self.steps), reversed(signs)):
            direction = direction @ w.T if kind == "times" else direction if kind == "plus" else direction * on
        return direction


class Executed:
    def __init__(self, path):
        options = ort.SessionOptions()
        options.add_session_config_entry("session.x64quantprecision", "1")
        options.intra_op_num_threads = 1
        self.session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        port = self.session.get_inputs()[0]
        self.name, self.shape = port.name, [d if isinstance(d, int) and d > 0 else 1 for d in port.shape]

    def __call__(self, x):
        return np.array([self.session.run(None, {self.name: r.astype(np.float32).reshape(self.shape)})[0].reshape(-1) for r in x], np.float64)


def largest_difference(f, g, lo, hi):
    """The largest difference of an output that is found, and where."""
    random, free = np.random.default_rng(1), np.flatnonzero(hi > lo)
    best = (0.0, lo)

    def judged(x):
        nonlocal best
        apart = np.abs(f(x) - g(x))
        worst = apart.max(1).argmax()
        if apart[worst].max() > best[0]:
            best = float(apart[worst].max()), x[worst].copy()
        return apart

    x = random.uniform(lo, hi, (4000 if isinstance(g, Dense) else 1500, len(lo)))
    x[1::4] = np.where(random.random(x[1::4].shape) < 0.5, lo, hi)
    apart = judged(x)
    if isinstance(g, Dense):
        outputs = apart.shape[1]
        starts = np.concatenate([x[np.argsort(-apart[:, k])[:24]] for k in range(outputs)])
        e = np.repeat(np.eye(outputs), 24, 0)
        for first in (0.25, 0.02):
            y, step = starts, first
            for k in range(40):
                e = np.abs(e) * np.sign(f(y) - g(y))
                y = np.clip(y + step * (hi - lo) * np.sign(f.slopes(y, e, 0.3 * 0.85**k) - g.slopes(y, e, 0.3 * 0.85**k)), lo, hi)
                judged(y)
                step *= 0.9
    for round in range(25):
        keep = x[np.argsort(-apart.max(1))[:30]]
        x = np.concatenate([keep, np.repeat(keep, 10, 0), best[1][None].repeat(30, 0)])
        change = np.zeros_like(x)
        change[30:, free] = random.normal(0, 0.3 * 0.85**round, (len(x) - 30, len(free))) * (random.random((len(x) - 30, len(free))) < max(0.3, 2 / len(free)))
        x = np.clip(x + change * (hi - lo), lo, hi)
        apart = judged(x)
    return best[0]


def write_property(path, lo, hi, outputs, kind, eps):
    n = len(lo)
    lines = ["(vnnlib-version <2.0>)", f"(declare-network f (declare-input X real [{n}]) (declare-output Y real [{outputs}]))",
             f"(declare-network g (isomorphic-to f) (declare-input A real [{n}]) (declare-output B real [{outputs}]))"]
    for i in range(n):
        lines.append(f"(assert (and (>= X[{i}] {float(lo[i])!r}) (<= X[{i}] {float(hi[i])!r}) (== X[{i}] A[{i}])))")
    if kind == "class":
        parts = []
        for c in range(outputs):
            for k in range(outputs):
                if k != c:
                    leads = [f"(>= Y[{c}] (+ Y[{j}] {2 * eps!r}))" for j in range(outputs) if j != c]
                    parts.append("(and " + " ".join(leads + [f"(>= B[{k}] B[{j}])" for j in range(outputs) if j != k]) + ")")
    else:
        parts = [t for j in range(outputs) for t in (f"(>= Y[{j}] (+ B[{j}] {eps!r}))", f"(>= B[{j}] (+ Y[{j}] {eps!r}))")]
    lines.append("(assert (or " + " ".join(parts) + "))")
    with open(path, "w") as out:
        out.write("\n".join(lines) + "\n")


def prove(first, second, prop, paired):
    """The JSON object, and the CPU seconds of the process, which is interrupted where they reach the cap."""
    command = [args.saha, "verify", first, prop, "--network", f"g={second}", "--timeout", str(40 * args.cap), "--threads", str(args.threads), "--json", "-q"] + ([] if paired else ["--unpaired"])
    with tempfile.TemporaryFile() as out:
        p = subprocess.Popen(command, stdout=out)
        while True:
            pid, _, usage = os.wait4(p.pid, os.WNOHANG)
            if pid:
                break
            with open(f"/proc/{p.pid}/stat") as stat:
                ticks = sum(int(v) for v in stat.read().rsplit(")", 1)[1].split()[11:13])
            if ticks / os.sysconf("SC_CLK_TCK") > args.cap:
                p.send_signal(signal.SIGINT)
                _, _, usage = os.wait4(p.pid, 0)
                break
            time.sleep(0.02)
        p.returncode = 0
        out.seek(0)
        o = json.load(out)
    if "error" in o:
        sys.exit(f"error: {o['error']['message']}")
    return o, usage.ru_utime + usage.ru_stime


def main():
    table, wrong = [], 0
    print(f"{'case':18} {'copy':8} {'largest':>9} {'eps':>5} {'pairs':>9} {'product':>9} {'ratio':>8}   CPU seconds   verdicts", flush=True)
    with tempfile.TemporaryDirectory() as work:
        for name, path, (lo, hi) in cases():
            model = unpacked(path)
            onnx.save(model, f"{work}/f.onnx")
            f = Dense(model)
            for kind in args.kinds.split(","):
                if not re.search(args.only, f"{name} {kind}"):
                    continue
                if kind == "qdq":
                    port = model.graph.input[-1]
                    np.savez(f"{work}/data.npz", **{port.name: np.random.default_rng(2).uniform(lo, hi, (500, len(lo))).astype(np.float32).reshape([-1] + [d.dim_value for d in port.type.tensor_type.shape.dim][1:])})
                    subprocess.run([args.saha, "quantize", f"{work}/f.onnx", "-o", f"{work}/g.onnx", "--data", f"{work}/data.npz", "--calibrate", "minmax", "--quiet"], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                    g = Executed(f"{work}/g.onnx")
                else:
                    other = moved(model, "int8" if kind == "class" else kind)
                    onnx.save(other, f"{work}/g.onnx")
                    g = Dense(other)
                largest, outputs = largest_difference(f, g, lo, hi), f(lo[None]).shape[1]

                def asked(factor, paired=True):
                    write_property(f"{work}/p.vnnlib", lo, hi, outputs, kind, factor * largest)
                    return prove(f"{work}/f.onnx", f"{work}/g.onnx", f"{work}/p.vnnlib", paired)

                while kind != "class":               # the verifier's own search may know more
                    o, _ = asked(1.2)
                    if o["verdict"] != "sat":
                        break
                    y = np.array(o["counterexample"]["y"])
                    largest = float(np.abs(y[:outputs] - y[outputs:]).max())
                if kind != "class" and asked(0.9)[0]["verdict"] != "sat":
                    wrong += 1
                    print(f"{name}, {kind}: eps of 0.9 times the difference that was found is not sat", flush=True)
                for factor in [float(v) for v in args.factors.split(",")]:
                    o, seconds = asked(factor)
                    plain, plain_seconds = ({"verdict": "", "regions": 0}, 0) if args.paired_only else asked(factor, False)
                    verdict, pairs, product = o["verdict"], o["regions"], plain["regions"]
                    wrong += {verdict, plain["verdict"]} == {"sat", "unsat"}
                    ratio, late, plain_late = product / pairs, verdict == "timeout", plain["verdict"] == "timeout"
                    table.append([name, kind, largest, factor, pairs, product, ratio, seconds, plain_seconds, verdict, plain["verdict"]])
                    print(f"{name:18} {kind:8} {largest:9.3g} {factor:5g} {'>' * late + str(pairs):>9} {'>' * plain_late + str(product):>9} {('?' if late else '>' if plain_late else '') + format(ratio, '.1f'):>8}   "
                          f"{seconds:5.1f} {plain_seconds:6.1f}   {verdict} {plain['verdict']}", flush=True)
    if args.csv:
        with open(args.csv, "w", newline="") as out:
            csv.writer(out).writerows([["case", "copy", "largest", "factor", "pairs", "product", "ratio", "seconds", "product_seconds", "verdict", "product_verdict"]] + table)
    telling = [r for r in table if r[5] >= 10 and r[9] == "unsat"]
    if telling:
        print(f"{len(telling)} of {len(table)} rows were proved and took 10 boxes or more on the product: ratio at least 10 in {sum(r[6] >= 10 for r in telling)}, median {statistics.median(r[6] for r in telling):.1f}, least {min(r[6] for r in telling):.1f}")
    print(f"{sum(r[9] == 'unsat' for r in table)} of {len(table)} proved by pairs, {sum(r[10] == 'unsat' for r in table)} on the product; {wrong} wrong")
    return wrong > 0


if __name__ == "__main__":
    sys.exit(main())
