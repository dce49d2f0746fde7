"""Models written as OpenVINO IR, run by OpenVINO's CPU plugin in float32 and read back by saha, beside what they should give.

  check_openvino.py SAHA --backend [--only REGEX] [--ir 10] [-v]    the cases of the package onnx that need no download: what OpenVINO makes of the written IR, what saha
                                                                    makes of it, and what OpenVINO makes of the ONNX file itself
  check_openvino.py SAHA MODEL...                                   model files of any format: OpenVINO on the written IR, and saha on OpenVINO's own IR of an .onnx or .tflite,
                                                                    beside saha's native engine on random inputs

Exits 1 where a result differs. Needs openvino, onnx and ml_dtypes.
"""
import argparse
import multiprocessing
import pathlib
import re
import subprocess
import sys
import tempfile
import warnings

import numpy as np

warnings.filterwarnings("ignore")
FLOAT = (np.float16, np.float32, np.float64)


def convert(saha, model, out, ir):
    done = subprocess.run([saha, "convert", str(model), "-o", str(out), "--ir", str(ir)], capture_output=True, text=True)
    return None if done.returncode == 0 else done.stderr.strip()


def compiled(path):
    import openvino
    core = openvino.Core()
    return core.compile_model(core.read_model(str(path)), "CPU", {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1})


NARROW = {"bfloat16": "bf16", "float8_e4m3fn": "f8e4m3", "float8_e5m2": "f8e5m2", "float8_e8m0fnu": "f8e8m0"}   # that numpy takes from ml_dtypes
PACKED = {"int4": ("i4", 4), "uint4": ("u4", 4), "uint2": ("u2", 2), "float4_e2m1fn": ("f4e2m1", 4)}   # several a byte, and their bits


def packed(v, bits):
    """Elements from the lowest bits of each byte on."""
    each = 8 // bits
    raw = np.pad(v.view(np.uint8).reshape(-1) & ((1 << bits) - 1), (0, -v.size % each)).reshape(-1, each)
    return np.bitwise_or.reduce(raw << (np.arange(each, dtype=np.uint8) * bits), axis=1).astype(np.uint8)


def unpacked(raw, bits, kind, shape):
    each = 8 // bits
    v = ((raw.reshape(-1, 1) >> (np.arange(each, dtype=np.uint8) * bits)) & ((1 << bits) - 1)).astype(np.uint8).reshape(-1)[:int(np.prod(shape))]
    if kind.startswith("int"):
        v = (v ^ (1 << (bits - 1))).view(np.int8) - (1 << (bits - 1))
        return v.astype(kind).reshape(shape)
    return v.view(kind).reshape(shape)


def run(runner, inputs):
    """Results of a compiled model. OpenVINO hands narrow numbers over as others of their width, those of less than a byte packed."""
    import ml_dtypes
    import openvino
    given = []
    for v in inputs:
        v = np.asarray(v)
        if v.dtype.name in PACKED:
            kind, bits = PACKED[v.dtype.name]
            given.append(openvino.Tensor(packed(v, bits), list(v.shape), getattr(openvino.Type, kind)))
        elif kind := NARROW.get(v.dtype.name):
            given.append(openvino.Tensor(v.view(np.uint8 if v.dtype.itemsize == 1 else np.float16), list(v.shape), getattr(openvino.Type, kind)))
        else:
            given.append(v)
    request = runner.create_infer_request()
    request.infer(given, share_inputs=False)
    made = []
    for i in range(len(runner.outputs)):
        t = request.get_output_tensor(i)
        names = [n for n, k in NARROW.items() if t.element_type == getattr(openvino.Type, k)]
        few = [(n, bits) for n, (k, bits) in PACKED.items() if t.element_type == getattr(openvino.Type, k)]
        if few:
            made.append(unpacked(t.data.view(np.uint8).copy(), few[0][1], getattr(ml_dtypes, few[0][0]).__name__, tuple(t.shape)))
        else:
            made.append(t.data.view(getattr(ml_dtypes, names[0])).copy() if names else t.data.copy())
    return made


def difference(want, got, rtol, atol):
    """Why they differ, or nothing."""
    want, got = np.asarray(want), np.asarray(got)
    if want.shape != got.shape:
        return f"shape {got.shape}, {want.shape} expected"
    if want.dtype.name != got.dtype.name and not {want.dtype.kind, got.dtype.kind} <= set("OUST"):
        return f"type {got.dtype}, {want.dtype} expected"
    if want.dtype.kind in "OUST":
        return None if (want.astype(str) == got.astype(str)).all() else "other strings"
    if want.dtype.kind in "iub" or "int" in want.dtype.name:
        return None if (want == got).all() else f"{int((want != got).sum())} of {want.size} integers differ"
    try:
        np.testing.assert_allclose(got.astype(np.float64), want.astype(np.float64), rtol=rtol, atol=atol)
    except AssertionError as e:
        return " ".join(str(e).split())[:160]
    return None


def outcome(runner, sets, rtol, atol):
    """"equal", or how it is not and why. `runner` gives results for inputs, or raises."""
    for inputs, outputs in sets:
        try:
            got = runner(inputs)
        except Exception as e:  # noqa: BLE001 what OpenVINO raises has no common type
            return "not run", " ".join(str(e).split())[-200:]
        if bad := [why for want, have in zip(outputs, got) if (why := difference(want, have, rtol, atol))]:
            return "different", bad[0]
    return "equal", ""


def backend_case(job):
    """For one case: what OpenVINO makes of the written IR, what saha makes of it, what OpenVINO makes of the ONNX file; each with its reason."""
    from onnx import TensorProto, load, numpy_helper
    saha, ir, name = job
    case = CASES[name]
    with tempfile.TemporaryDirectory() as folder:
        source, out = pathlib.Path(folder, "m.onnx"), pathlib.Path(folder, "m.xml")
        if case.model is not None:
            source.write_bytes(case.model.SerializeToString())
            array = lambda v: numpy_helper.to_array(v) if isinstance(v, TensorProto) else v if isinstance(v, (list, type(None))) else np.asarray(v)
            sets = [([array(v) for v in inputs], [array(v) for v in outputs]) for inputs, outputs in case.data_sets]
        else:
            source = pathlib.Path(case.model_dir, "model.onnx")
            read = lambda f: numpy_helper.to_array(TensorProto.FromString(f.read_bytes()))
            number = lambda f: int(f.stem.split("_")[1])
            sets = [tuple([read(f) for f in sorted(d.glob(f"{side}_*.pb"), key=number)] for side in ("input", "output")) for d in sorted(pathlib.Path(case.model_dir).glob("test_data_set_*"))]
        rtol, atol = max(case.rtol, 1e-3 if ir == 11 else 2e-2), max(case.atol, 1e-5 if ir == 11 else 2e-2)
        try:
            own = outcome(lambda given, r=compiled(source): run(r, given), sets, rtol, atol)
        except Exception as e:  # noqa: BLE001
            own = "not run", " ".join(str(e).split())[-200:]
        refusal = convert(saha, source, out, ir)
        if refusal is not None:
            return name, ("refused", refusal.splitlines()[0].removeprefix("error: ")), ("refused", ""), own
        try:
            there = compiled(out)
            theirs = outcome(lambda given: run(there, given), sets, rtol, atol)
        except Exception as e:  # noqa: BLE001
            theirs = "not run", " ".join(str(e).split())[-200:]

        def here(given):
            got = infer(saha, out, given, folder)
            if isinstance(got, str):
                raise RuntimeError(got)
            return got
        return name, theirs, outcome(here, sets, rtol, atol), own


CASES = {}


def backend(args):
    from onnx.backend.test.loader import load_model_tests
    for kind in ("node", "simple", "pytorch-converted", "pytorch-operator"):
        for c in load_model_tests(kind=kind):
            if re.search(args.only, c.name):
                CASES[c.name] = c
    with multiprocessing.get_context("fork").Pool(args.jobs, maxtasksperchild=50) as pool:
        found = sorted(pool.imap_unordered(backend_case, [(args.saha, args.ir, n) for n in CASES], chunksize=8))
    count = lambda of: ", ".join(f"{sum(o == k for o, _ in of)} {k}" for k in ("equal", "different", "refused", "not run") if any(o == k for o, _ in of))
    for name, theirs, here, own in found:
        if theirs[0] != "equal" and (args.verbose or theirs[0] == "different" and own[0] == "equal"):
            print(f"OpenVINO {theirs[0]:9} {name}: {theirs[1]} [the ONNX file: {own[0]}]")
        if here[0] in ("different", "not run"):
            print(f"saha {here[0]:9} {name}: {here[1]}")
    print(f"{len(found)} cases. OpenVINO on the written IR: {count([t for _, t, _, _ in found])}; saha on it: {count([h for _, _, h, _ in found])}; "
          f"OpenVINO on the ONNX files: {count([o for _, _, _, o in found])}")
    lost = [n for n, t, _, o in found if o[0] == "equal" and t[0] != "equal"]
    print(f"{len(lost)} that OpenVINO runs as ONNX and not as IR: {' '.join(lost)}")
    return 1 if any(h[0] in ("different", "not run") for _, _, h, _ in found) else 0


def inputs_for(model, rng):
    """Noise; a free batch is 1, any other free extent 64."""
    made = []
    for p in model.inputs:
        shape = [d.get_length() if d.is_static else 1 if i == 0 else max(64, d.get_min_length()) for i, d in enumerate(p.partial_shape)]
        kind = p.element_type.to_dtype()
        if kind in FLOAT:
            made.append(rng.standard_normal(shape).astype(kind))
        elif kind.itemsize == 1 and kind != bool:
            made.append(rng.integers(0, 256, shape).astype(np.uint8).view(kind))
        else:
            made.append(rng.integers(0, 8, shape).astype(kind))
    return made


def infer(saha, model, inputs, folder):
    """The native engine's results, through ONNX's test-data form."""
    from onnx import TensorProto, numpy_helper
    into, out = pathlib.Path(folder, "in"), pathlib.Path(folder, "out")
    for d in (into, out):
        d.mkdir(exist_ok=True)
        for old in d.iterdir():
            old.unlink()
    for i, v in enumerate(inputs):
        (into / f"input_{i}.pb").write_bytes(numpy_helper.from_array(v).SerializeToString())
    done = subprocess.run([saha, "infer", str(model), "--inputs", str(into), "--outputs", str(out)], capture_output=True, text=True)
    if done.returncode:
        return done.stderr.strip().splitlines()[0]
    return [numpy_helper.to_array(TensorProto.FromString((out / f"output_{i}.pb").read_bytes())) for i in range(len(list(out.iterdir())))]


def worst(want, got):
    """The largest difference, relative to the largest of each result; of 8-bit integers in steps."""
    w, steps = 0.0, 0
    for a, b in zip(want, got):
        if a.shape != b.shape:
            return float("inf"), 0
        if not a.size:
            continue
        d = float(np.max(np.abs(a.astype(np.float64) - b.astype(np.float64))))
        if a.dtype.itemsize == 1 and a.dtype != bool:
            steps = max(steps, int(d))
        else:
            w = max(w, d / max(float(np.max(np.abs(a.astype(np.float64)))), 1e-6))
    return w, steps


def beside(saha, path, source, runner, rng, folder):
    """A model that OpenVINO compiled beside saha's native engine on `source`: a phrase, and whether they agree. Where the model keeps integers, each
    engine rounds in its own way and the difference is told only."""
    inputs = inputs_for(runner, rng)
    native = infer(saha, source, inputs, folder)
    if isinstance(native, str):
        return native, False
    w, steps = worst(native, run(runner, inputs))
    quantised = "FakeQuantize" in pathlib.Path(path).read_text() or steps
    return (f"{steps} steps" if steps else f"{w:.1e}") + (" (integers inside)" if quantised and (steps or w > 1e-4) else ""), bool(quantised) or w < 1e-4


def models(args):
    import openvino
    bad = 0
    for path in args.model:
        rng = np.random.default_rng(0)
        with tempfile.TemporaryDirectory() as folder:
            line = []
            for ir in (11, 10):
                out = pathlib.Path(folder, f"v{ir}.xml")
                refusal = convert(args.saha, path, out, ir)
                if refusal is not None:
                    line.append(f"IR {ir} refused: {refusal.splitlines()[0].removeprefix('error: ')}")
                    break
                # Version 10 rounds the weights: both run what was written.
                phrase, good = beside(args.saha, out, out if ir == 10 else path, compiled(out), rng, folder)
                line.append(f"IR {ir} {phrase}")
                bad += not good
            if path.endswith((".onnx", ".tflite")):
                out = pathlib.Path(folder, "own.xml")
                try:
                    openvino.save_model(openvino.convert_model(path), str(out))
                except Exception as e:  # noqa: BLE001
                    line.append("openvino does not convert it: " + " ".join(str(e).split())[:80])
                    out = None
                if out:
                    phrase, good = beside(args.saha, out, out, compiled(out), rng, folder)
                    line.append(f"OpenVINO's own IR {phrase}")
                    bad += not good
            print(pathlib.Path(path).name + ": " + "; ".join(line), flush=True)
    return 1 if bad else 0


def main():
    p = argparse.ArgumentParser()
    p.add_argument("saha")
    p.add_argument("model", nargs="*")
    p.add_argument("--backend", action="store_true")
    p.add_argument("--only", default="")
    p.add_argument("--ir", type=int, default=11)
    p.add_argument("--jobs", type=int, default=2)
    p.add_argument("-v", "--verbose", action="store_true")
    args = p.parse_args()
    sys.exit(backend(args) if args.backend else models(args))


if __name__ == "__main__":
    main()
