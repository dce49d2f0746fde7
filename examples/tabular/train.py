"""A multi-layer perceptron of scikit-learn on a table, written as ONNX: standardise, 30 -> 16 -> 8 -> 2, softmax. ONNX at --out.

Each epoch prints one JSON object; saha makes curves of them.
"""
import argparse
import csv
import json

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from sklearn.neural_network import MLPClassifier

args = argparse.ArgumentParser()
args.add_argument("--data", required=True)
args.add_argument("--out", required=True)
args.add_argument("--epochs", type=int, default=60)
args.add_argument("--seed", type=int, default=0)
args = args.parse_args()

classes = ["benign", "malignant"]                        # as saha.yaml names them
with open(args.data, newline="") as f:
    rows = list(csv.DictReader(f))
features = [n for n in rows[0] if n not in ("diagnosis", "nuclei")]
x = np.array([[float(r[n]) for n in features] for r in rows])
y = np.array([classes.index(r["diagnosis"]) for r in rows])
mean, spread = x.mean(0), x.std(0)
rng = np.random.default_rng(args.seed)
order = rng.permutation(len(y))
held, rest = order[: len(y) // 10], order[len(y) // 10:]   # held out for the curves only
z = (x - mean) / spread

net = MLPClassifier((16, 8), learning_rate_init=5e-3, alpha=1e-2, batch_size=32, random_state=args.seed)
for epoch in range(args.epochs):
    net.partial_fit(z[rest], y[rest], classes=[0, 1])
    print(json.dumps({"epoch": epoch + 1, "loss": round(float(net.loss_), 4), "accuracy": round(float(net.score(z[held], y[held])), 4)}), flush=True)

# scikit-learn's last layer is one logit of class 1; softmax of (0, logit) is its sigmoid and gives both classes a probability.
weights = [w.astype(np.float32) for w in net.coefs_]
biases = [b.astype(np.float32) for b in net.intercepts_]
weights[-1] = np.concatenate([np.zeros_like(weights[-1]), weights[-1]], 1)
biases[-1] = np.concatenate([np.zeros_like(biases[-1]), biases[-1]])
node = helper.make_node
nodes = [node("Sub", ["x", "mean"], ["centred"], "centre"), node("Div", ["centred", "spread"], ["h0"], "standardise")]
constants = {"mean": mean.astype(np.float32), "spread": spread.astype(np.float32)}
for k, (w, b) in enumerate(zip(weights, biases)):
    last = k == len(weights) - 1
    constants |= {f"w{k}": w, f"b{k}": b}
    nodes.append(node("Gemm", [f"h{k}", f"w{k}", f"b{k}"], ["logits" if last else f"a{k}"], f"dense{k + 1}"))
    if not last:
        nodes.append(node("Relu", [f"a{k}"], [f"h{k + 1}"], f"relu{k + 1}"))
nodes.append(node("Softmax", ["logits"], ["probability"], "softmax"))
graph = helper.make_graph(nodes, "tabular", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", len(features)])],
                          [helper.make_tensor_value_info("probability", TensorProto.FLOAT, ["N", 2])],
                          [numpy_helper.from_array(v, k) for k, v in constants.items()])
model = helper.make_model(graph, producer_name="train.py", opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
onnx.checker.check_model(model)
onnx.save(model, args.out)
