"""A small convolutional network in numpy: two 5x5 convolutions of stride 2, 8 and 16 channels, and a dense layer. ONNX at --out.

Each epoch prints one JSON object; saha makes curves of them.
"""
import argparse
import json

import numpy as np
import onnx
from numpy.lib.stride_tricks import sliding_window_view
from onnx import TensorProto, helper, numpy_helper

args = argparse.ArgumentParser()
args.add_argument("--data", required=True)
args.add_argument("--out", required=True)
args.add_argument("--epochs", type=int, default=8)
args.add_argument("--lr", type=float, default=4e-3)
args.add_argument("--seed", type=int, default=0)
args = args.parse_args()

rng = np.random.default_rng(args.seed)
with np.load(args.data) as d:
    x, y = d["x"].astype(np.float32) / 255, d["y"]
held = len(y) // 10                                   # for the curves only
x_val, y_val, x, y = x[:held], y[:held], x[held:], y[held:]


def init(*shape):
    return (rng.standard_normal(shape) * np.sqrt(2 / np.prod(shape[1:]))).astype(np.float32)


p = {"w1": init(8, 1, 5, 5), "b1": np.zeros(8, np.float32), "w2": init(16, 8, 5, 5), "b2": np.zeros(16, np.float32),
     "w3": init(10, 256), "b3": np.zeros(10, np.float32)}


def conv(x, w, b):
    """[n, c, h, w] -> [n, m, (h - 3) // 2, (w - 3) // 2]; also the patches, for the gradient."""
    cols = sliding_window_view(x, (5, 5), axis=(2, 3))[:, :, ::2, ::2]
    cols = np.ascontiguousarray(cols.transpose(0, 2, 3, 1, 4, 5)).reshape(len(x), (x.shape[2] - 3) // 2, (x.shape[3] - 3) // 2, -1)
    return (cols @ w.reshape(len(w), -1).T + b).transpose(0, 3, 1, 2), cols


def forward(x):
    a1, c1 = conv(x, p["w1"], p["b1"])                                      # 12 x 12
    a2, c2 = conv(np.maximum(a1, 0), p["w2"], p["b2"])                      # 4 x 4
    flat = np.maximum(a2, 0).reshape(len(x), -1)
    logits = flat @ p["w3"].T + p["b3"]
    e = np.exp(logits - logits.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True), (a1, c1, a2, c2, flat)


def backward(probability, y, kept):
    a1, c1, a2, c2, flat = kept
    n = len(y)
    d = probability.copy()
    d[np.arange(n), y] -= 1
    d /= n
    g = {"w3": d.T @ flat, "b3": d.sum(0)}
    d = (d @ p["w3"]).reshape(a2.shape) * (a2 > 0)
    rows = np.ascontiguousarray(d.transpose(0, 2, 3, 1)).reshape(-1, 16)
    g["w2"] = (rows.T @ c2.reshape(len(rows), -1)).reshape(p["w2"].shape)
    g["b2"] = rows.sum(0)
    back = (rows @ p["w2"].reshape(16, -1)).reshape(n, 4, 4, 8, 5, 5)
    d = np.zeros_like(a1)
    for i in range(5):
        for j in range(5):
            d[:, :, i:i + 7:2, j:j + 7:2] += back[:, :, :, :, i, j].transpose(0, 3, 1, 2)
    d *= a1 > 0
    rows = np.ascontiguousarray(d.transpose(0, 2, 3, 1)).reshape(-1, 8)
    g["w1"] = (rows.T @ c1.reshape(len(rows), -1)).reshape(p["w1"].shape)
    g["b1"] = rows.sum(0)
    return g


moment, square, step = {k: 0 for k in p}, {k: 0 for k in p}, 0              # Adam
for epoch in range(args.epochs):
    order, losses = rng.permutation(len(y)), []
    for at in range(0, len(y), 64):
        rows = order[at:at + 64]
        probability, kept = forward(x[rows])
        losses.append(-np.log(probability[np.arange(len(rows)), y[rows]] + 1e-9).mean())
        step += 1
        for k, g in backward(probability, y[rows], kept).items():
            moment[k] = 0.9 * moment[k] + 0.1 * g
            square[k] = 0.999 * square[k] + 0.001 * g * g
            rate = args.lr * (1 - epoch / args.epochs) * np.sqrt(1 - 0.999 ** step) / (1 - 0.9 ** step)
            p[k] = (p[k] - rate * moment[k] / (np.sqrt(square[k]) + 1e-8)).astype(np.float32)
    right = np.mean([(forward(x_val[i:i + 256])[0].argmax(1) == y_val[i:i + 256]).mean() for i in range(0, held, 256)])
    print(json.dumps({"epoch": epoch + 1, "loss": round(float(np.mean(losses)), 4), "accuracy": round(float(right), 4)}), flush=True)

node = helper.make_node
graph = helper.make_graph(
    [node("Mul", ["image", "scale"], ["scaled"], "scale"),
     node("Conv", ["scaled", "w1", "b1"], ["a1"], "conv1", strides=[2, 2]), node("Relu", ["a1"], ["r1"], "relu1"),
     node("Conv", ["r1", "w2", "b2"], ["a2"], "conv2", strides=[2, 2]), node("Relu", ["a2"], ["r2"], "relu2"),
     node("Flatten", ["r2"], ["flat"], "flatten"), node("Gemm", ["flat", "w3", "b3"], ["logits"], "dense", transB=1), node("Softmax", ["logits"], ["probability"], "softmax")],
    "digits", [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 1, 28, 28])],
    [helper.make_tensor_value_info("probability", TensorProto.FLOAT, ["N", 10])],
    [numpy_helper.from_array(v, k) for k, v in p.items()] + [numpy_helper.from_array(np.float32(1 / 255), "scale")])
model = helper.make_model(graph, producer_name="train.py", opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
onnx.checker.check_model(model)
onnx.save(model, args.out)
