"""saha: takes a trained model and carries it to where it has to live.

    import saha
    m = saha.load("model.onnx").simplify()
    y = m.run({"image": x})["score"]
    print(saha.bench(m, threads=1))
"""
import os
import tempfile
from typing import NamedTuple, Optional

from saha import _native
from saha._error import Error
from saha._values import lift, lower

__version__ = _native.version
Session = _native.Session
__all__ = ["Bench", "Error", "Model", "Session", "Value", "bench", "load"]


class Value(NamedTuple):
    """An input or output of a model."""

    name: str
    dtype: str                #: "float32"; "" where it is no tensor
    shape: Optional[tuple]    #: numbers, and names where a dim is free; None: not known
    type: str                 #: "float32[N, 3, 224, 224]", "seq(int64[])"

    def __str__(self):
        return f"{self.name} {self.type}"


class Changes(list):
    """What simplify() did: a dict a pass, and as text the table."""

    def __str__(self):
        rows = [f"{c['pass']:<24}{c['before']:>8}{c['after']:>8}{c['seconds'] * 1e3:>10.1f} ms" for c in self]
        return "\n".join([f"{'pass':<24}{'before':>8}{'after':>8}"] + rows)


class Model:
    """A model, immutable. Its methods may be called from several threads at once; runs go on side by side, without Python's lock."""

    def __init__(self, native):
        self._native = native
        self.inputs = [Value(*v) for v in native.inputs()]
        self.outputs = [Value(*v) for v in native.outputs()]

    @property
    def changes(self):
        """The passes of simplify() that changed something; empty for a model that was loaded."""
        return Changes(self._native.changes())

    @property
    def num_nodes(self):
        return self._native.nodes()

    def run(self, inputs):
        """Runs once. `inputs`: {name: array}, or a list in the order of .inputs. Returns {name: array}."""
        if isinstance(inputs, dict):
            known = [v.name for v in self.inputs]
            for name in inputs:
                if name not in known:
                    raise Error("invalid-argument", f"the model has no input '{name}'; it has {', '.join(repr(k) for k in known) or 'none'}")
            for name in known:
                if name not in inputs:
                    raise Error("invalid-argument", f"input '{name}' was not given")
            inputs = [inputs[name] for name in known]
        elif len(inputs) != len(self.inputs):
            raise Error("invalid-argument", f"the model has {len(self.inputs)} inputs, {len(inputs)} were given")
        results = self._native.run([lower(x, v.dtype, v.name) for x, v in zip(inputs, self.inputs)])
        return {v.name: lift(y) for v, y in zip(self.outputs, results)}

    def session(self, threads=1, precision="f32"):
        """The model made ready to run often, with little time spent in a call: an object with .inputs, .outputs and .run({name: array}) -> {name: array}.
        Dense arrays of the input's type are read in place; others are converted as run() does. It has `threads` threads of its own. `precision`: "f32" is
        strict float32; "bf16" and "f16" compute convolutions and products by constants in bfloat16 or float16, "bf16" on x86 also those of LSTM and GRU,
        on processors with instructions for them only (AVX512-BF16, AMX; on AArch64 BF16, FP16); "auto" leaves the choice to the engine, which is "f32" today."""
        return self._native.session(threads, precision, self.inputs, self.outputs)

    def simplify(self, without=(), only=(), fuse=False, fold_limit=1 << 20):
        """A new model that computes the same with fewer nodes; .changes says what was done. `without`, `only`: names of passes."""
        return Model(self._native.simplify(_names(without), _names(only), fuse, fold_limit))

    def save(self, path):
        """Writes a file whole or not at all, by the ending of its name: .tflite, .xml (OpenVINO IR, a .bin beside it), .saha (a bundle); else ONNX."""
        self._native.save(os.fspath(path))

    def to_bytes(self):
        """The model as an ONNX file's bytes."""
        return self._native.bytes()

    def __repr__(self):
        return f"<saha.Model {', '.join(map(str, self.inputs))} -> {', '.join(map(str, self.outputs))}>"


class Bench:
    """Engines side by side; to_dict() is the JSON of `saha bench --json`."""

    def __init__(self, result):
        self._result = result

    def to_dict(self):
        return self._result

    def __getitem__(self, backend):
        for row in self._result["backends"]:
            if row["backend"] == backend:
                return row
        raise KeyError(backend)

    def __str__(self):
        lines = [f"{'backend':<16}{'p50 ms':>10}{'p90 ms':>10}{'min ms':>10}{'ratio':>8}  max |diff|"]
        for r in self._result["backends"]:
            diff = "reference" if r["max_abs_diff"] is None else f"{r['max_abs_diff']:.2g}{' WRONG' if r['wrong'] else ''}"
            lines.append(f"{r['backend']:<16}{r['p50_ms']:>10.4g}{r['p90_ms']:>10.4g}{r['min_ms']:>10.4g}{r['ratio']:>8.2f}  {diff}")
        lines += [f"{m['backend']}: {m['reason']}" for m in self._result["missing"]]
        n = self._result["threads"]
        return "\n".join(lines + [f"measured, {n} thread{'s' * (n != 1)}, {self._result['runs']} runs, interleaved"])


def _names(x):
    return [x] if isinstance(x, str) else list(x)


def load(model, threads=1):
    """Opens a model: a path (ONNX, TensorFlow Lite, a bundle), the bytes of such a file, or an onnx.ModelProto."""
    if isinstance(model, (bytes, bytearray)):
        return Model(_native.Model.from_bytes(bytes(model), threads, ""))
    if hasattr(model, "SerializeToString"):
        return Model(_native.Model.from_bytes(model.SerializeToString(), threads, ""))
    return Model(_native.Model.load(os.fspath(model), threads))


def bench(model, backends=(), threads=1, runs=200, warmup=20, seconds=60.0, seed=0, compare=True):
    """Measures a model (a Model or a path) on several engines, each in a process of its own, by turns. No names: all that are here."""
    args = (_names(backends), threads, runs, warmup, float(seconds), seed, compare)
    if not isinstance(model, Model):
        return Bench(_native.bench(os.fspath(model), *args))
    if model._native.file():
        return Bench(_native.bench(model._native.file(), *args))
    with tempfile.TemporaryDirectory(prefix="saha-") as folder:
        path = os.path.join(folder, "model.onnx")
        model.save(path)
        return Bench(_native.bench(path, *args))


def __getattr__(name):
    if name == "backend":  # needs the package onnx, so it is loaded when it is asked for
        import importlib

        return importlib.import_module("saha.backend")
    raise AttributeError(f"module 'saha' has no attribute '{name}'")
