#!/usr/bin/env python3
"""Models of today's exporters, one virtual environment each: exported, run by saha and by onnxruntime, compared. Writes docs/compatibility.md.

  tools/exporters.py build/release/src/cli/saha [EXPORTER ...]      # by hand; downloads much (torch: some GB); without names, all

A recipe is a program that writes NAME.onnx and NAME.npz (inputs by name) into the folder it is given.
"""
import os
import subprocess
import sys
import textwrap
import venv

COMMON = """
import os, sys, warnings
warnings.filterwarnings("ignore")
import numpy as np
out = sys.argv[1]
rng = np.random.default_rng(0)
def keep(name, model, **inputs):
    data = model if isinstance(model, bytes) else model.SerializeToString()
    open(os.path.join(out, name + ".onnx"), "wb").write(data)
    np.savez(os.path.join(out, name + ".npz"), **inputs)
"""

RECIPES = {
    "skl2onnx": ("skl2onnx scikit-learn onnx", """
from sklearn.datasets import load_iris, load_diabetes
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier, RandomForestRegressor
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, PolynomialFeatures, StandardScaler
from sklearn.svm import SVC, SVR
from skl2onnx import to_onnx
x, y = load_iris(return_X_y=True); x = x.astype(np.float32)
xr, yr = load_diabetes(return_X_y=True); xr = xr.astype(np.float32)
for name, m in {"logistic": LogisticRegression(max_iter=500), "forest": RandomForestClassifier(10), "boosting": GradientBoostingClassifier(n_estimators=10), "svc": SVC(probability=True),
                "mlp": MLPClassifier(max_iter=50), "knn": KNeighborsClassifier(), "pipeline": make_pipeline(StandardScaler(), PolynomialFeatures(), MinMaxScaler(), LogisticRegression(max_iter=500))}.items():
    keep("skl_" + name, to_onnx(m.fit(x, y), x[:1], options={"zipmap": False} if hasattr(m, "predict_proba") else None), X=x[:20])
keep("skl_zipmap", to_onnx(LogisticRegression(max_iter=500).fit(x, y), x[:1]), X=x[:20])
for name, m in {"linear": LinearRegression(), "forest_r": RandomForestRegressor(10), "svr": SVR()}.items():
    keep("skl_" + name, to_onnx(m.fit(xr, yr), xr[:1]), X=xr[:20])
"""),
    "onnxmltools": ("onnxmltools skl2onnx lightgbm xgboost scikit-learn onnx", """
import lightgbm, xgboost
from onnxmltools import convert_lightgbm, convert_xgboost
from onnxmltools.convert.common.data_types import FloatTensorType
from sklearn.datasets import load_iris, load_diabetes
x, y = load_iris(return_X_y=True); x = x.astype(np.float32)
xr, yr = load_diabetes(return_X_y=True); xr = xr.astype(np.float32)
t, tr = [("X", FloatTensorType([None, 4]))], [("X", FloatTensorType([None, 10]))]
keep("lightgbm_classifier", convert_lightgbm(lightgbm.LGBMClassifier(n_estimators=10, verbose=-1).fit(x, y), initial_types=t, zipmap=False), X=x[:20])
keep("lightgbm_regressor", convert_lightgbm(lightgbm.LGBMRegressor(n_estimators=10, verbose=-1).fit(xr, yr), initial_types=tr), X=xr[:20])
keep("xgboost_classifier", convert_xgboost(xgboost.XGBClassifier(n_estimators=10).fit(x, y), initial_types=t), X=x[:20])
keep("xgboost_regressor", convert_xgboost(xgboost.XGBRegressor(n_estimators=10).fit(xr, yr), initial_types=tr), X=xr[:20])
"""),
    "torch": ("torch torchvision onnx onnxscript", """
import torch, torch.nn as nn
class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.MultiheadAttention(32, 4, batch_first=True); self.n = nn.LayerNorm(32); self.f = nn.Sequential(nn.Linear(32, 64), nn.GELU(), nn.Linear(64, 32))
    def forward(self, x):
        x = self.n(x + self.a(x, x, x, need_weights=False)[0]); return x + self.f(x)
class Recurrent(nn.Module):
    def __init__(self):
        super().__init__(); self.l = nn.LSTM(8, 16, 2, bidirectional=True, batch_first=True); self.g = nn.GRU(32, 8, batch_first=True)
    def forward(self, x):
        return self.g(self.l(x)[0])[0]
net = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.Hardswish(), nn.Conv2d(8, 8, 3, groups=8, padding=1), nn.SiLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4), nn.Softmax(-1))
for name, m, x in [("cnn", net, torch.randn(2, 3, 32, 32)), ("attention", Attention(), torch.randn(2, 6, 32)), ("recurrent", Recurrent(), torch.randn(2, 5, 8))]:
    m = m.eval()
    for kind, dynamo in (("script", False), ("dynamo", True)):
        path = os.path.join(out, f"torch_{name}_{kind}.onnx")
        torch.onnx.export(m, (x,), path, input_names=["x"], output_names=["y"], dynamo=dynamo, external_data=False) if dynamo else torch.onnx.export(m, (x,), path, input_names=["x"], output_names=["y"], dynamo=False)
        np.savez(path[:-5] + ".npz", x=x.numpy())
"""),
    "tf2onnx": ("tf2onnx tensorflow-cpu tf-keras onnx numpy<2", """
os.environ["TF_USE_LEGACY_KERAS"] = "1"
import tensorflow as tf, tf_keras as keras, tf2onnx
L = keras.layers
for name, shape, layers in [("cnn", (32, 32, 3), [L.Conv2D(8, 3, strides=2, padding="same"), L.BatchNormalization(), L.ReLU(6.0), L.DepthwiseConv2D(3, padding="same"), L.GlobalAveragePooling2D(), L.Dense(4, activation="softmax")]),
                            ("lstm", (6, 8), [L.Bidirectional(L.LSTM(8, return_sequences=True)), L.GRU(4), L.Dense(2)])]:
    m = keras.Sequential([L.Input(shape)] + layers)
    proto, _ = tf2onnx.convert.from_keras(m, input_signature=[tf.TensorSpec((None,) + shape, tf.float32, name="x")], opset=17)
    keep("tf_" + name, proto, x=rng.standard_normal((2,) + shape).astype(np.float32))
"""),
    "jax": ("jax2onnx flax onnx", """
import jax, jax.numpy as jnp
from jax2onnx import to_onnx
f = lambda x: jax.nn.softmax(jnp.tanh(x @ jnp.ones((8, 16))) @ jnp.ones((16, 4)), axis=-1)
keep("jax_mlp", to_onnx(f, [(2, 8)]), **{"in_0": rng.standard_normal((2, 8)).astype(np.float32)})
g = lambda x: jnp.cumsum(jax.nn.gelu(x), axis=1).sum(axis=0)
keep("jax_cumsum", to_onnx(g, [(3, 5)]), **{"in_0": rng.standard_normal((3, 5)).astype(np.float32)})
"""),
    "paddle2onnx": ("paddle2onnx paddlepaddle onnx", """
import paddle
class Net(paddle.nn.Layer):
    def __init__(self):
        super().__init__(); self.c = paddle.nn.Conv2D(3, 8, 3, 2, 1); self.b = paddle.nn.BatchNorm2D(8); self.l = paddle.nn.Linear(8, 4)
    def forward(self, x):
        x = paddle.nn.functional.hardswish(self.b(self.c(x))); return paddle.nn.functional.softmax(self.l(x.mean([2, 3])))
class Text(paddle.nn.Layer):
    def __init__(self):
        super().__init__(); self.e = paddle.nn.Embedding(20, 16); self.t = paddle.nn.TransformerEncoderLayer(16, 2, 32, activation="gelu"); self.r = paddle.nn.LSTM(16, 8, direction="bidirect")
    def forward(self, x):
        y = self.r(self.t(self.e(x)))[0]; return paddle.argmax(y, axis=-1), paddle.flatten(y, 1)
class Up(paddle.nn.Layer):
    def __init__(self):
        super().__init__(); self.c = paddle.nn.Conv2D(3, 4, 1); self.d = paddle.nn.Conv2DTranspose(4, 2, 2, 2); self.p = paddle.nn.AdaptiveAvgPool2D(2)
    def forward(self, x):
        y = paddle.nn.functional.interpolate(paddle.nn.functional.swish(self.c(x)), size=[16, 16], mode="bilinear"); a, b = paddle.split(self.d(y), 2, axis=1)
        return paddle.flatten(self.p(paddle.concat([a, b, a * b], axis=1)), 1)
for name, m, x in [("cnn", Net(), rng.standard_normal((2, 3, 32, 32)).astype(np.float32)), ("text", Text(), rng.integers(0, 20, (2, 5))), ("up", Up(), rng.standard_normal((2, 3, 8, 8)).astype(np.float32))]:
    m.eval()
    paddle.onnx.export(m, os.path.join(out, "paddle_" + name), input_spec=[paddle.static.InputSpec([None] + list(x.shape[1:]), str(x.dtype), "x")], opset_version=13)
    np.savez(os.path.join(out, "paddle_" + name + ".npz"), x=x)
"""),
}

COMPARE = """
import glob, os, subprocess, sys, tempfile
import numpy as np, onnx, onnxruntime
from onnx import numpy_helper
saha, folder = sys.argv[1:3]
for path in sorted(glob.glob(os.path.join(folder, "*.onnx"))):
    name = os.path.basename(path)[:-5]
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    given = dict(np.load(path[:-5] + ".npz"))
    values = list(given.values())
    feed = {i.name: given.get(i.name, values[k]) for k, i in enumerate(session.get_inputs())}
    want = session.run(None, feed)
    with tempfile.TemporaryDirectory() as d:
        os.mkdir(d + "/in")
        for k, i in enumerate(session.get_inputs()):
            open(f"{d}/in/input_{k}.pb", "wb").write(numpy_helper.from_array(feed[i.name]).SerializeToString())
        done = subprocess.run([saha, "infer", path, "--inputs", d + "/in", "--outputs", d + "/out"], capture_output=True, text=True)
        if done.returncode:
            print(f"{name}\\tfails\\t{done.stderr.strip().splitlines()[0]}")
            continue
        worst = 0.0
        for k, w in enumerate(want):
            if not isinstance(w, np.ndarray):
                continue
            g = numpy_helper.to_array(onnx.TensorProto.FromString(open(f"{d}/out/output_{k}.pb", "rb").read()))
            if w.dtype.kind in "OSU":
                worst = max(worst, float((g.astype(str) != w.astype(str)).any()))
            elif g.shape != w.shape:
                worst = float("inf")
            elif w.size:
                worst = max(worst, float(np.max(np.abs(g.astype(np.float64) - w.astype(np.float64)) / np.maximum(1, np.abs(w)))))
        opset = {o.domain or "ai.onnx": o.version for o in onnx.load(path, load_external_data=False).opset_import}
        print(f"{name}\\t{'equal' if worst <= 1e-4 else 'DIFFERS'}\\tlargest relative difference {worst:.1e}; opset {', '.join(f'{k} {v}' for k, v in sorted(opset.items()))}")
"""


def main():
    root = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
    saha, wanted = os.path.abspath(sys.argv[1]), sys.argv[2:] or list(RECIPES)
    rows, versions = [], {}
    for name in wanted:
        packages, code = RECIPES[name]
        place = os.path.join(root, "build", "exporters", name)
        models = os.path.join(place, "models")
        os.makedirs(models, exist_ok=True)
        python = os.path.join(place, "venv", "bin", "python")
        if not os.path.exists(python):
            venv.create(os.path.join(place, "venv"), with_pip=True)
        install = subprocess.run([python, "-m", "pip", "install", "-q", "--disable-pip-version-check", *packages.split(), "onnxruntime"], capture_output=True, text=True)
        if install.returncode:
            rows.append((name, "-", "not tried", "its packages could not be installed: " + install.stderr.strip().splitlines()[-1][:160]))
            continue
        program = os.path.join(place, "recipe.py")   # a file: paddle reads the source of what it exports
        with open(program, "w") as f:
            f.write(COMMON + textwrap.dedent(code))
        made = subprocess.run([python, program, models], capture_output=True, text=True)
        if made.returncode:
            rows.append((name, "-", "export stopped", (made.stderr.strip() or made.stdout.strip() or f"code {made.returncode}").splitlines()[-1][:160]))
        first = packages.split()[0]
        versions[name] = subprocess.run([python, "-c", f"import importlib.metadata as m; print(m.version('{first}'))"], capture_output=True, text=True).stdout.strip()
        for line in subprocess.run([python, "-c", COMPARE, saha, models], capture_output=True, text=True).stdout.splitlines():
            rows.append((name, *line.split("\t")))
        print("\n".join(" ".join(r) for r in rows if r[0] == name), flush=True)
    path = os.path.join(root, "docs", "compatibility.md")
    with open(path) as f:   # rows of exporters that were not asked for stay as they were measured
        kept = [line for line in f if line.startswith("| ") and line.split()[1] in RECIPES and line.split()[1] not in wanted]
    text = "# Compatibility with exporters\n\nMade by `./run test --exporters`: each exporter in an environment of its own, its models run by saha and by onnxruntime on the same inputs. Equal: no output differs by more than 1e-4 of max(1, |value|).\n\n| exporter | model | result | detail |\n|---|---|---|---|\n"
    for name, model, result, detail in rows:
        text += f"| {name} {versions.get(name, '')} | {model} | {result} | {detail.replace('|', chr(92) + '|')} |\n"
    with open(path, "w") as f:
        f.write(text + "".join(kept))
    bad = [r for r in rows if r[2] in ("fails", "DIFFERS")]
    print(f"{len(rows) - len(bad)} passed, {len(bad)} failed")
    sys.exit(1 if bad else 0)


main()
