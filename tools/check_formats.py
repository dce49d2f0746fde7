#!/usr/bin/env python3
"""Model files through every format: what each format's own engine and saha make of a model as it is, converted to every other format, and converted back.

  check_formats.py SAHA MODEL... [--rtol R] [--seed S] [--time S] [--jobs N] [--keep DIR] [--json] [-v]

A MODEL is an ONNX, TensorFlow Lite or OpenVINO IR (.xml) file or a bundle (.saha). On the same random inputs it runs in its format's own engine (onnxruntime with
no graph optimisation, LiteRT's reference kernels, OpenVINO's CPU plugin in float32), in saha's native engine and in saha's reference. Then it is written as .onnx,
.tflite, .xml and .saha; each file runs in that format's engine and in saha, is written in the model's own format again, and that file runs in saha.

A table says for each pair how far the values are from those of the model itself in its own engine (where that refuses it: in saha):
  equal      bit for bit
  fixed shapes  written with the extents of the inputs, since the format has no form for open ones
  1e-06      the largest difference, as a share of the largest value of that result (at least 0.001); within --rtol (5e-4) it is tolerated
  2 steps    of stored integers: the largest difference, 3/100 of them differ; tolerated where two engines round in their own ways, never between saha and LiteRT
  refused    with the reason, below the table
Exits 1 where something crashed, took more than --time (120) seconds or is further away than is tolerated. Needs numpy and onnx; each engine that is not installed
is left out. Every run is a process of its own.
"""
import argparse
import json
import multiprocessing
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time
import warnings

import numpy as np

warnings.filterwarnings("ignore")
ENDINGS = {".onnx": "onnx", ".tflite": "tflite", ".xml": "openvino", ".saha": "saha"}
FREE = (64, 512, 224, 16, 32, 128, 320, 1)   # extents that are tried for free ones; the first dim of an input is 1
INTEGER_OPS = {"QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear", "FakeQuantize", "Requantize", "QLinearConv", "QLinearMatMul", "ConvInteger", "MatMulInteger"}


class Refused(Exception):
    """One sentence."""


# ---- engines -----------------------------------------------------------------------------------------------------------------------------
def by_onnxruntime(path, given):
    import onnxruntime
    onnxruntime.set_default_logger_severity(4)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return session.run(None, {p.name: v for p, v in zip(session.get_inputs(), given)})


def by_litert(path, given):
    from ai_edge_litert.interpreter import Interpreter, OpResolverType
    try:
        runner = Interpreter(path, experimental_op_resolver_type=OpResolverType.BUILTIN_REF, num_threads=1)
    except ValueError as e:
        if "Didn't find op" not in str(e):
            raise
        runner = Interpreter(path, experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES, num_threads=1)   # ROUND has no reference kernel
    ports = runner.get_input_details()
    for p, v in zip(ports, given):
        if tuple(p["shape"]) != v.shape:
            runner.resize_tensor_input(p["index"], v.shape)
    runner.allocate_tensors()
    for p, v in zip(ports, given):
        runner.set_tensor(p["index"], v)
    runner.invoke()
    return [runner.get_tensor(p["index"]) for p in runner.get_output_details()]


def by_openvino(path, given):
    sys.path.insert(0, str(pathlib.Path(__file__).parent))
    from check_openvino import compiled, run
    return run(compiled(path), given)


ENGINES = {"onnx": ("onnxruntime", by_onnxruntime), "tflite": ("ai_edge_litert", by_litert), "openvino": ("openvino", by_openvino)}


def sentence(text):
    lines = [" ".join(line.split()) for line in str(text).splitlines() if line.strip()]
    errors = [line for line in lines if "error" in line.lower() or "not" in line.lower()]
    return (errors or lines or ["without a word"])[-1].removeprefix("error: ")[:300]


def apart(function, seconds, *args):
    """What `function` gives in a process of its own. Raises Refused where it raises, RuntimeError where it dies or takes too long."""
    here, there = multiprocessing.Pipe(duplex=False)

    def child():
        devnull = os.open(os.devnull, os.O_WRONLY)
        os.dup2(devnull, 1), os.dup2(devnull, 2)
        try:
            there.send((True, function(*args)))
        except BaseException as e:  # noqa: BLE001 what engines raise has no common type
            there.send((False, sentence(e)))
        there.close()
        os._exit(0)

    process = multiprocessing.get_context("fork").Process(target=child)
    process.start()
    there.close()
    try:
        if not here.poll(seconds):
            raise RuntimeError(f"takes more than {seconds} s")
        good, made = here.recv()
    except EOFError:
        process.join()
        raise RuntimeError(f"ends by {signal.Signals(-process.exitcode).name if (process.exitcode or 0) < 0 else f'exit code {process.exitcode}'}") from None
    finally:
        process.kill()
        process.join()
    if not good:
        raise Refused(made)
    return made


def saha(program, seconds, *args):
    """stdout of a verb. Raises Refused with its sentence on exit 1, RuntimeError on anything else but 0."""
    try:
        done = subprocess.run([program, *args], capture_output=True, text=True, timeout=seconds)
    except subprocess.TimeoutExpired:
        raise RuntimeError(f"takes more than {seconds} s") from None
    message = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    if done.returncode == 1 and message:
        raise Refused(message[0].removeprefix("error: "))
    if done.returncode:
        raise RuntimeError(f"ends with {done.returncode}: {done.stderr.strip()[-300:]}")
    return done.stdout


def by_saha(program, seconds, path, given, backend):
    from onnx import TensorProto, numpy_helper
    with tempfile.TemporaryDirectory() as folder:
        into, out = pathlib.Path(folder, "in"), pathlib.Path(folder, "out")
        into.mkdir(), out.mkdir()
        for i, v in enumerate(given):
            (into / f"input_{i}.pb").write_bytes(numpy_helper.from_array(v).SerializeToString())
        saha(program, seconds, "infer", str(path), "--inputs", str(into), "--outputs", str(out), "--backend", backend, "-q", "--threads", "1")
        files = [out / f"output_{i}.pb" for i in range(len(list(out.iterdir())))]
        return [numpy_helper.to_array(TensorProto.FromString(f.read_bytes())) for f in files]


# ---- inputs and differences --------------------------------------------------------------------------------------------------------------
def made_for(ports, free, rng, others, below):
    """Values for what `saha inspect` calls "float32[N, 3, H + 1]". Equal symbols have equal extents: `free` where the first input has them (1 for its first dim), `others`
    elsewhere. A scalar integer is a rate, other integers are below `below`."""
    named, given = {}, []
    for p in ports:
        match = re.fullmatch(r"(\w+)\[(.*)\]q?", p["type"])
        if not match:
            raise Refused(f"input '{p['name']}' is {p['type']}")
        kind, dims = match.groups()
        shape = []
        for i, d in enumerate(x.strip() for x in dims.split(",") if x.strip()):
            number = re.fullmatch(r"\d+", d)
            shape.append(int(d) if number else named.setdefault(d, 1 if i == 0 else others if given else free))
        if kind == "string":
            given.append(np.full(shape, "text", object))
        elif kind == "bool":
            given.append(rng.integers(0, 2, shape).astype(bool))
        elif kind.startswith("float"):
            given.append(rng.standard_normal(shape).astype(kind))
        elif not shape:
            given.append(np.array(16000 if np.iinfo(kind).max > 16000 else 1, kind))
        elif np.dtype(kind).itemsize == 1:
            given.append(rng.integers(0, 256, shape).astype(np.uint8).view(kind))
        elif kind == "int16" and p["type"].endswith("q"):
            given.append(rng.integers(-32768, 32768, shape).astype(kind))
        else:
            given.append(rng.integers(min(1, below - 1), below, shape).astype(kind))
    return given


def difference(want, got, rtol, integers, strict):
    """A cell of the table, and whether it is tolerated. `integers`: the model computes on stored integers; `strict`: both sides follow one rounding rule."""
    if len(want) != len(got):
        return f"{len(got)} results, {len(want)} expected", False
    worst, steps, unequal, of = 0.0, 0, 0, 0
    for k, (a, b) in enumerate(zip(want, got)):
        a, b = np.asarray(a), np.asarray(b)
        if a.shape != b.shape and a.size == b.size and max(a.ndim, b.ndim) <= 1:
            a, b = a.reshape(-1), b.reshape(-1)
        if a.shape != b.shape:
            return f"result {k} is {list(b.shape)}, {list(a.shape)} expected", False
        if a.dtype.kind in "OUS":
            if (a.astype(str) != b.astype(str)).any():
                return f"result {k} has other strings", False
            continue
        if a.dtype != b.dtype and not (a.dtype.kind in "iu" and b.dtype.kind in "iu"):
            return f"result {k} is {b.dtype}, {a.dtype} expected", False
        x, y = a.astype(np.float64), b.astype(np.float64)
        if (np.isnan(x) != np.isnan(y)).any() or (np.isinf(x) != np.isinf(y)).any():
            return f"result {k}: NaN or infinite at other places", False
        d = np.abs(np.nan_to_num(x - y))
        of += d.size
        unequal += int((d != 0).sum())
        if not d.size:
            continue
        if a.dtype.kind in "iub":
            steps = max(steps, int(d.max()))
        else:
            finite = np.abs(x[np.isfinite(x)])
            worst = max(worst, float(d.max()) / max(float(finite.max(initial=0)), 1e-3))
    if not unequal:
        return "equal", True
    if steps:
        # A float model's integers are choices and places: near ties fall this way and that.
        return f"{steps} steps, {unequal}/{of}", not strict if integers else unequal <= 0.01 * of
    return f"{worst:.1e}" + (" (integers inside)" if integers and worst > rtol else ""), worst <= rtol or (integers and not strict)


# ---- one model ---------------------------------------------------------------------------------------------------------------------------
class Model:
    def __init__(self, args, path, folder):
        self.args, self.path, self.folder = args, pathlib.Path(path), pathlib.Path(folder)
        self.format = ENDINGS[self.path.suffix]
        self.cells, self.reasons, self.bad = {}, {}, []
        self.want, self.integers = None, False

    def note(self, cell, text, good):
        self.cells[cell] = text if len(text) < 40 else "refused" if good else "WRONG"
        if len(text) >= 40:
            self.reasons[cell] = text
        if not good:
            self.bad.append(cell)
            self.reasons.setdefault(cell, text)

    def attempt(self, cell, run, strict=False, foreign=False):
        """Runs and compares; what a foreign engine does wrong is told and no failure of ours, but for results that differ."""
        try:
            got = run()
        except Refused as e:
            self.note(cell, "refused", True)
            self.reasons[cell] = str(e)
            return None
        except RuntimeError as e:
            self.note(cell, str(e) if foreign else f"FAILED: {e}", foreign)
            self.reasons[cell] = str(e)
            return None
        if self.want is None:
            self.want = got
            self.note(cell, "runs", True)
        else:
            self.note(cell, *difference(self.want, got, self.args.rtol, self.integers, strict))
        return got

    def native(self, cell, path, backend="native", strict=False):
        return self.attempt(cell, lambda: by_saha(self.args.saha, self.args.time, path, self.given, backend), strict)

    def own(self, cell, path, format, strict=False):
        module, engine = ENGINES.get(format, (None, None))
        if engine and module in self.args.engines:
            return self.attempt(cell, lambda: apart(engine, self.args.time, str(path), self.given), strict, foreign=True)
        return None

    def convert(self, cell, source, out):
        """Writes `out`; where open extents are in the way, at the shapes of the inputs, which the cell says."""
        refused = None
        for shapes in ([], self.shapes):
            try:
                saha(self.args.saha, self.args.time, "convert", str(source), "-o", str(out), "-q", *shapes)
                if shapes:
                    self.note(cell, "fixed shapes", True)
                    self.reasons[cell] = refused
                return True
            except Refused as e:
                refused = refused or str(e)
            except RuntimeError as e:
                self.note(cell, "FAILED", False)
                self.reasons[cell] = str(e)
                return False
            if not self.shapes:
                break
        self.note(cell, "refused", True)
        self.reasons[cell] = refused
        return False

    def look(self):
        """Ports and inputs; False where saha does not read the file."""
        try:
            seen = json.loads(saha(self.args.saha, self.args.time, "inspect", str(self.path), "--json"))
        except Refused as e:
            self.note("load", "refused", True)
            self.reasons["load"] = str(e)
            return False
        except RuntimeError as e:
            self.note("load", "FAILED", False)
            self.reasons["load"] = str(e)
            return False
        kinds = {o["op"] for o in seen["operators"]}
        self.integers = bool(kinds & INTEGER_OPS) or any(str(layer["output"]).endswith("q") for layer in seen.get("layers", [])) or any(p["type"].endswith("q") for p in seen["inputs"] + seen["outputs"])
        last = None
        for free, others, below in [(f, o, n) for n in (8, 2, 1) for f in FREE for o in (f, 1)]:
            try:
                self.given = made_for(seen["inputs"], free, np.random.default_rng(self.args.seed), others, below)
                open_ = [(p["name"], v) for p, v in zip(seen["inputs"], self.given) if re.search(r"[A-Za-z_?]", p["type"].partition("[")[2].rstrip("q"))]
                self.shapes = [a for name, v in open_ for a in ("--shape", f"{name}={'x'.join(map(str, v.shape))}")]
                by_saha(self.args.saha, self.args.time, self.path, self.given, "native")
                return True
            except (Refused, RuntimeError) as e:
                last = e
                if not open_ and not any(v.dtype.kind in "iu" for v in self.given):
                    break
        if isinstance(last, RuntimeError):
            self.note("native", "FAILED", False)
            self.reasons["native"] = str(last)
            return False
        return True   # the engines may have more to say

    def check(self):
        start = time.time()
        if self.look():
            self.own("own engine", self.path, self.format)
            # LiteRT's reference kernels and saha round stored integers by one rule.
            same_rule = self.format == "tflite" and self.want is not None
            if self.native("native", self.path, strict=same_rule) is not None:
                self.native("reference", self.path, "reference", strict=same_rule)
                for ending, format in ENDINGS.items():
                    if ending == self.path.suffix:
                        continue
                    out = self.folder / ("to" + ending)
                    if not self.convert(ending, self.path, out):
                        continue
                    mine = self.native(f"{ending} native", out)
                    theirs = self.own(f"{ending} engine", out, format)
                    if format == "tflite" and self.integers and mine is not None and theirs is not None:
                        text, good = difference(theirs, mine, self.args.rtol, True, True)   # one file, one rule
                        if not good:
                            self.note(f"{ending} native against engine", text, False)
                    back = self.folder / ("back" + ending.replace(".", "_") + self.path.suffix)
                    if self.convert(f"{ending} back", out, back):
                        self.native(f"{ending} back", back)
                        self.own(f"{ending} back engine", back, self.format)
        return {"model": str(self.path), "format": self.format, "integers": self.integers, "cells": self.cells, "reasons": self.reasons, "bad": self.bad, "seconds": round(time.time() - start, 1)}


COLUMNS = ["load", "own engine", "native", "reference"] + [f"{e}{w}" for e in ENDINGS for w in (" native", " engine", " back")]


def check(job):
    args, path = job
    with tempfile.TemporaryDirectory() as folder:
        if args.keep:
            folder = pathlib.Path(args.keep, re.sub(r"\W+", "_", str(path)).strip("_"))
            folder.mkdir(parents=True, exist_ok=True)
        return Model(args, path, folder).check()


def line(row):
    cells = [f"{c}: {row['cells'][c]}" for c in row["cells"]]
    text = f"{'WRONG ' if row['bad'] else ''}{pathlib.Path(row['model']).name} ({row['seconds']} s): " + "; ".join(cells)
    return "\n".join([text] + [f"    {c}: {r}" for c, r in row["reasons"].items()])


def here(module):
    import importlib.util
    return importlib.util.find_spec(module) is not None


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("saha")
    p.add_argument("model", nargs="+")
    p.add_argument("--rtol", type=float, default=5e-4)
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--time", type=float, default=120)
    p.add_argument("--jobs", type=int, default=1)
    p.add_argument("--keep")
    p.add_argument("--json", action="store_true")
    args = p.parse_args()
    args.engines = [m for m, _ in ENGINES.values() if here(m)]
    rows = []
    from concurrent.futures import ThreadPoolExecutor
    with ThreadPoolExecutor(args.jobs) as pool:
        for row in pool.map(check, [(args, m) for m in args.model]):
            rows.append(row)
            print(line(row), file=sys.stderr if args.json else sys.stdout, flush=True)
    count = {}
    for row in rows:
        for cell, text in row["cells"].items():
            kind = "wrong" if cell in row["bad"] else text if text in ("equal", "refused", "runs", "fixed shapes") else "tolerated"
            count[kind] = count.get(kind, 0) + 1
    wrong = [r["model"] for r in rows if r["bad"]]
    if args.json:
        print(json.dumps({"schema": "saha.check_formats/1", "models": rows, "totals": count, "wrong": wrong}, indent=1))
    else:
        print(f"{len(rows)} models: " + ", ".join(f"{n} {k}" for k, n in sorted(count.items())) + f"; {len(wrong)} models with something wrong")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
