"""A multi-layer perceptron on data/train.csv, by Adam in NumPy: standardise, 6 -> 12 -> 6 -> 1, the logit of an alarm. ONNX at --out.

    python train.py --data data/train.csv --out model.onnx [--inside 'wear=220:253,torque=60:76.6']

--inside adds steps drawn from a part of the domain, with what prepare.py's rule says of them: what a requirement speaks of and the data seldom shows.
"""
import argparse
import csv

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from prepare import NAMES, failed

DOMAIN = {"air": (295, 305), "process": (305, 314), "speed": (1168, 2886), "torque": (3.8, 76.6), "wear": (0, 253), "quality": (0, 2)}
args = argparse.ArgumentParser()
args.add_argument("--data", required=True)
args.add_argument("--out", required=True)
args.add_argument("--inside", action="append", default=[])
args = args.parse_args()

with open(args.data, newline="") as f:
    rows = list(csv.DictReader(f))
x = np.array([[float(r[n]) for n in NAMES] for r in rows])
y = np.array([r["state"] == "stopped" for r in rows])
mean, spread = x.mean(0), x.std(0)
rng = np.random.default_rng(7)
for text in args.inside:
    part = dict(DOMAIN) | {k: tuple(map(float, v.split(":"))) for k, v in (p.split("=") for p in text.split(","))}
    low, high = np.array([part[n] for n in NAMES]).T
    # The ends themselves count as much as what lies between them: half of the values are ends.
    share = rng.uniform(0, 1, (1500, len(NAMES)))
    share = np.where(rng.uniform(0, 1, share.shape) < 0.5, share.round(), share)
    extra = low + share * (high - low)
    extra[:, NAMES.index("quality")] = extra[:, NAMES.index("quality")].round()
    x, y = np.concatenate([x, extra]), np.concatenate([y, failed(extra)])

z, t = (x - mean) / spread, y.astype(float)[:, None]
sizes = [len(NAMES), 12, 6, 1]
layers = [p for a, b in zip(sizes, sizes[1:]) for p in (rng.standard_normal((a, b)) * np.sqrt(2 / a), np.zeros(b))]   # weights, biases, ..
moments = [(np.zeros_like(p), np.zeros_like(p)) for p in layers]


def forward(h):
    kept = [h]
    for k in range(0, len(layers), 2):
        h = h @ layers[k] + layers[k + 1]
        if k + 2 < len(layers):
            h = np.maximum(h, 0)
        kept.append(h)
    return kept


steps, batch = 6000, 128
for step in range(1, steps + 1):
    rows = rng.integers(0, len(z), batch)
    kept = forward(z[rows])
    slope = (1 / (1 + np.exp(-kept[-1])) - t[rows]) / batch                  # of the logistic loss
    gradients = []
    for k in range(len(layers) - 2, -1, -2):
        h = kept[k // 2]
        gradients = [h.T @ slope + 1e-4 * layers[k], slope.sum(0)] + gradients
        slope = (slope @ layers[k].T) * (h > 0)
    rate = 1e-2 * min(1, 2 * (1 - step / steps)) + 1e-5
    for p, (m, v), g in zip(layers, moments, gradients):
        m += 0.1 * (g - m)
        v += 0.001 * (g * g - v)
        p -= rate * (m / (1 - 0.9**step)) / (np.sqrt(v / (1 - 0.999**step)) + 1e-8)
print(f"{len(y)} steps, {100 * np.mean((forward(z)[-1][:, 0] >= 0) == y):.1f} % right")

node = helper.make_node
nodes = [node("Sub", ["step", "mean"], ["centred"], "centre"), node("Div", ["centred", "spread"], ["h0"], "standardise")]
constants = {"mean": mean.astype(np.float32), "spread": spread.astype(np.float32)}
for k, (w, b) in enumerate(zip(layers[::2], layers[1::2])):
    last = k == len(sizes) - 2
    constants |= {f"w{k}": w.astype(np.float32), f"b{k}": b.astype(np.float32)}
    nodes.append(node("Gemm", [f"h{k}", f"w{k}", f"b{k}"], ["alarm" if last else f"a{k}"], f"dense{k + 1}"))
    if not last:
        nodes.append(node("Relu", [f"a{k}"], [f"h{k + 1}"], f"relu{k + 1}"))
graph = helper.make_graph(nodes, "wear", [helper.make_tensor_value_info("step", TensorProto.FLOAT, ["N", len(NAMES)])],
                          [helper.make_tensor_value_info("alarm", TensorProto.FLOAT, ["N", 1])], [numpy_helper.from_array(v, k) for k, v in constants.items()])
model = helper.make_model(graph, producer_name="train.py", opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
onnx.checker.check_model(model)
onnx.save(model, args.out)
