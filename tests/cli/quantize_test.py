"""saha quantize against other engines: what it writes runs in onnxruntime and LiteRT as near to the float model as the table says; what is wrong is refused.

    quantize_test.py SAHA        needs numpy, onnx, onnxruntime; LiteRT's part is left out, with a line, where ai-edge-litert is not here
"""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

try:
    from ai_edge_litert.interpreter import Interpreter
except ImportError:
    Interpreter = None
    print("ai-edge-litert is not here: TensorFlow Lite files are not run")

SAHA = ""


def network(opset=17):
    """A small picture classifier: convolutions, depthwise too, a residual sum, a pool, a product, a softmax."""
    r = np.random.default_rng(4)
    weights = {}

    def w(name, *shape, spread=0.3):
        weights[name] = (r.standard_normal(shape) * spread).astype(np.float32)
        return name
    n = helper.make_node
    nodes = [n("Conv", ["x", w("w1", 8, 3, 3, 3), w("b1", 8)], ["a"], "first", pads=[1, 1, 1, 1]), n("Relu", ["a"], ["ar"], "r1"),
             n("Conv", ["ar", w("w2", 8, 1, 3, 3), w("b2", 8)], ["d"], "deep", group=8, pads=[1, 1, 1, 1]), n("Relu", ["d"], ["dr"], "r2"),
             n("Conv", ["dr", w("w3", 8, 8, 1, 1), w("b3", 8)], ["p"], "point"), n("Add", ["p", "ar"], ["s"], "sum"), n("Relu", ["s"], ["sr"], "r3"),
             n("MaxPool", ["sr"], ["m"], "pool", kernel_shape=[2, 2], strides=[2, 2]), n("Flatten", ["m"], ["f"], "flat"),
             n("Gemm", ["f", w("w4", 128, 5, spread=0.1), w("b4", 5)], ["l"], "fc"), n("Softmax", ["l"], ["y"], "soft", axis=-1)]
    graph = helper.make_graph(nodes, "net", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3, 8, 8])], [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 5])],
                              [numpy_helper.from_array(v, k) for k, v in weights.items()])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)


def run(path, x):
    options = ort.SessionOptions()
    options.add_session_config_entry("session.x64quantprecision", "1")
    return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"]).run(None, {"x": x})[0]


def sqnr(a, b):
    return 10 * np.log10((a ** 2).sum() / max(((a - b) ** 2).sum(), 1e-30))


# What a file may hold in place of scales.
DAMAGES = (("length", lambda s: np.concatenate([s.reshape(-1), s.reshape(-1)[:1]])), ("zero", lambda s: s * 0), ("nan", lambda s: s * np.nan), ("negative", lambda s: -s), ("infinite", lambda s: s * np.inf))


class Quantize(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="saha_quantize_"))
        onnx.save(network(), cls.folder / "model.onnx")
        onnx.save(network(9 + 2), cls.folder / "old.onnx")
        r = np.random.default_rng(5)
        cls.x = r.standard_normal((96, 3, 8, 8)).astype(np.float32)
        cls.y = run(cls.folder / "model.onnx", cls.x)
        np.savez(cls.folder / "data.npz", x=cls.x, y=cls.y.argmax(1).astype(np.int64))
        np.savez(cls.folder / "unlabelled.npz", x=cls.x)

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.folder)

    def go(self, *words, status=0):
        environment = {k: v for k, v in os.environ.items() if not k.startswith("SAHA_")}
        done = subprocess.run([SAHA, "quantize", *words], cwd=self.folder, capture_output=True, text=True, timeout=300, env=environment)
        self.assertEqual(done.returncode, status, f"saha quantize {' '.join(words)}\n{done.stdout}{done.stderr}")
        return done

    def quantised(self, *words, out="q.onnx"):
        said = self.go("model.onnx", "-o", out, "--data", "data.npz", "--json", *words)
        return json.loads(said.stdout)

    def test_the_file_is_legal_and_onnxruntime_computes_what_the_table_says(self):
        told = self.quantised()
        model = onnx.load(self.folder / "q.onnx")
        onnx.checker.check_model(model, full_check=True)
        stored = [i for i in model.graph.initializer if i.data_type == TensorProto.INT8 and len(i.dims) > 1]
        self.assertEqual(len(stored), 4)
        db = sqnr(self.y, run(self.folder / "q.onnx", self.x))
        self.assertGreater(db, 30)
        self.assertAlmostEqual(db, told["rows"][1]["output_sqnr_db"], delta=2)
        self.assertEqual(told["rows"][0]["accuracy"], 1.0)
        self.assertGreater(told["rows"][1]["accuracy"], 0.97)
        self.assertLess((self.folder / "q.onnx").stat().st_size, (self.folder / "model.onnx").stat().st_size * 1.3)

    def test_every_calibration_and_width_runs(self):
        for how in ("auto", "minmax", "percentile", "entropy", "mse"):
            with self.subTest(how):
                self.quantised("--calibrate", how)
                self.assertGreater(sqnr(self.y, run(self.folder / "q.onnx", self.x)), 20)
        self.quantised("--to", "int16")
        self.assertGreater(sqnr(self.y, run(self.folder / "q.onnx", self.x)), 38)

    def test_every_scheme_runs_in_onnxruntime(self):
        for scheme, to, least in (("dynamic", "int8", 28), ("weights", "int8", 30), ("weights", "int4", 12), ("weights", "fp16", 50), ("weights", "bf16", 38), ("static", "fp16", 45)):
            with self.subTest(scheme + " " + to):
                told = self.quantised("--scheme", scheme, "--to", to)
                onnx.checker.check_model(onnx.load(self.folder / "q.onnx"), full_check=True)
                self.assertGreater(sqnr(self.y, run(self.folder / "q.onnx", self.x)), least)
                self.assertEqual(told["rows"][0]["accuracy"], 1.0)
        self.assertIn("random inputs", self.go("model.onnx", "-o", "q.onnx", "--scheme", "weights").stderr)
        self.quantised("--scheme", "static", "--to", "bf16")
        onnx.checker.check_model(onnx.load(self.folder / "q.onnx"), full_check=True)

    def test_an_old_opset_is_raised_as_far_as_scales_by_channel_need(self):
        said = self.go("old.onnx", "-o", "q.onnx", "--data", "data.npz")
        self.assertIn("opset 11 -> 13, which scales by channel need", said.stderr)
        self.assertIn("opset 11 -> 22, which operators in bfloat16 need", self.go("old.onnx", "-o", "b.onnx", "--scheme", "static", "--to", "bf16").stderr)
        self.assertIn("opset 11 -> 21, which what is stored in 16 bits needs", self.go("old.onnx", "-o", "w.onnx", "--data", "data.npz", "--to", "int16").stderr)
        self.assertGreater(sqnr(self.y, run(self.folder / "q.onnx", self.x)), 30)

    @unittest.skipUnless(Interpreter, "needs ai-edge-litert")
    def test_tensorflow_lite_runs_it_on_integers(self):
        for to, least in (("int8", 28), ("int16", 35)):
            self.quantised("--to", to, out="q.tflite")
            it = Interpreter(model_path=str(self.folder / "q.tflite"))
            runner = it.get_signature_runner()
            y = np.concatenate([next(iter(runner(x=self.x[i:i + 1]).values())) for i in range(32)])
            self.assertGreater(sqnr(self.y[:32], y), least, to)
            types = {d["dtype"] for d in it.get_tensor_details()}
            self.assertIn(np.int8, types)

    @unittest.skipUnless(Interpreter, "needs ai-edge-litert")
    def test_tensorflow_lite_rounds_float_data_in_each_run(self):
        told = self.quantised("--scheme", "dynamic", out="h.tflite")
        it = Interpreter(model_path=str(self.folder / "h.tflite"))
        runner = it.get_signature_runner()
        y = np.concatenate([next(iter(runner(x=self.x[i:i + 1]).values())) for i in range(32)])
        self.assertGreater(sqnr(self.y[:32], y), 28)
        self.assertAlmostEqual(sqnr(self.y[:32], y), told["rows"][1]["output_sqnr_db"], delta=6)
        stored = [d for d in it.get_tensor_details() if d["dtype"] == np.int8 and len(d["shape"]) > 1]
        self.assertGreaterEqual(len(stored), 4)

    def test_a_floor_widens_layers_until_it_holds(self):
        told = self.quantised("--floor", "38dB")
        self.assertTrue(told["floor_held"])
        self.assertEqual([r["name"] for r in told["rows"]][:2], ["float32", "int8"])
        wide = [l["name"] for l in told["layers"] if l["stored"] != "int8"]
        self.assertTrue(wide or told["rows"][1]["output_sqnr_db"] >= 38)
        self.assertGreater(sqnr(self.y, run(self.folder / "q.onnx", self.x)), 37)
        held = self.quantised("--floor", "50pp")
        self.assertEqual(len(held["rows"]), 2)

    def test_a_floor_that_cannot_be_held_writes_nothing(self):
        (self.folder / "none.onnx").unlink(missing_ok=True)
        said = self.go("model.onnx", "-o", "none.onnx", "--data", "data.npz", "--floor", "150dB", status=1)
        self.assertIn("the floor is missed", said.stderr)
        self.assertFalse((self.folder / "none.onnx").exists())

    def test_without_labels_agreement_is_judged(self):
        said = self.go("model.onnx", "-o", "q.onnx", "--data", "unlabelled.npz", "--layers", "--report", "r.html")
        self.assertIn("agreement on 96", said.stdout)
        self.assertIn("alone dB", said.stdout)
        self.assertIn("<svg", (self.folder / "r.html").read_text())

    def test_an_array_of_another_name_is_said_and_an_empty_one_is_named_once(self):
        np.savez(self.folder / "foo.npz", foo=self.x)
        said = self.go("model.onnx", "--compare", "--data", "foo.npz").stderr
        self.assertIn("note: array 'foo' of 'foo.npz' is taken for the only input, 'x'", said)
        self.assertNotIn("is taken for", self.go("model.onnx", "--compare", "--data", "data.npz").stderr)
        np.savez(self.folder / "zero.npz", x=np.zeros((0, 3, 8, 8), np.float32))
        self.assertIn("error: data 'zero.npz': no sample is left\n", self.go("model.onnx", "--compare", "--data", "zero.npz", status=1).stderr)

    def test_a_csv_is_a_table_or_a_list_of_files(self):
        w = np.random.default_rng(6).standard_normal((3, 2)).astype(np.float32)
        graph = helper.make_graph([helper.make_node("MatMul", ["x", "w"], ["y"], "fc")], "table", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3])],
                                  [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 2])], [numpy_helper.from_array(w, "w")])
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), self.folder / "table.onnx")
        rows = np.random.default_rng(7).standard_normal((40, 3))
        lines = [",".join(f"{v:.4f}" for v in r) + f",{(r @ w).argmax()}" for r in rows]
        for name in ("label", "target", "y"):
            (self.folder / "table.csv").write_text(f"a,b,c,{name}\n" + "\n".join(lines))
            self.assertIn("accuracy on 40", self.go("table.onnx", "-o", "t.onnx", "--data", "table.csv").stdout)
        (self.folder / "narrow.csv").write_text("a,b\n1,2\n3,4\n")
        self.assertIn("the sample is float32[2], the model takes float32[3]", self.go("table.onnx", "-o", "t.onnx", "--data", "narrow.csv", status=1).stderr)
        (self.folder / "words.csv").write_text("picture,label\na.png,1\n")
        said = self.go("table.onnx", "-o", "t.onnx", "--data", "words.csv", status=1).stderr
        self.assertIn("no column 'file'", said)
        self.assertIn("column 'picture' has others", said)
        (self.folder / "files.csv").write_text("file,label\nnowhere.png,1\n")
        self.assertIn("help: 'root' of a data set in saha.yaml", self.go("model.onnx", "-o", "t.onnx", "--data", "files.csv", status=1).stderr)
        (self.folder / "table.yaml").write_text("saha: 1\nmodel: {file: table.onnx}\ndata: {train: {csv: table.csv, target: y}}\n")
        self.assertIn("a table needs features", self.go("table.onnx", "-o", "t.onnx", "--data", "table.yaml", status=1).stderr)

    def test_both_files_of_an_openvino_ir_are_its_size(self):
        told = self.quantised(out="q.xml")
        self.assertEqual(told["rows"][1]["bytes"], sum((self.folder / f).stat().st_size for f in ("q.xml", "q.bin")))

    @unittest.skipUnless(Interpreter, "needs ai-edge-litert")
    def test_stored_classes_are_shown_by_name_as_what_they_stand_for(self):
        self.quantised(out="q.tflite")
        from ai_edge_litert import schema_py_generated as schema
        import flatbuffers
        model = schema.ModelT.InitFromObj(schema.Model.GetRootAs((self.folder / "q.tflite").read_bytes(), 0))
        graph = model.subgraphs[0]
        last = next(o for o in graph.operators if list(o.outputs) == list(graph.outputs))   # the Dequantize at the end
        graph.operators.remove(last)
        graph.outputs = last.inputs
        for s in model.signatureDefs or []:
            for o in s.outputs:
                o.tensorIndex = last.inputs[0]
        b = flatbuffers.Builder(1 << 16)
        b.Finish(model.Pack(b), b"TFL3")
        (self.folder / "stored.tflite").write_bytes(bytes(b.Output()))
        np.save(self.folder / "one.npy", self.x[:1])
        (self.folder / "names.txt").write_text("ant\nbee\ncat\ndog\neel\n")
        infer = lambda *words: subprocess.run([SAHA, "infer", "stored.tflite", "one.npy", *words], cwd=self.folder, capture_output=True, text=True, timeout=60)
        shown = infer("--labels", "names.txt", "--top", "2")
        name = ("ant", "bee", "cat", "dog", "eel")[int(self.y[0].argmax())]
        self.assertRegex(shown.stdout, r"int8 \[1, 5\], dequantised by 0\.00390625 \* \(x \+ 128\)\n +\d +" + name, shown.stderr)
        self.assertEqual(shown.stdout.count("\n"), 3)
        told = json.loads(infer("--labels", "names.txt", "--json").stdout)["outputs"][0]
        self.assertTrue(all(isinstance(v, int) for v in told["values"]))
        self.assertAlmostEqual(told["top"][0]["value"], float(self.y[0].max()), delta=0.05)
        self.assertEqual(told["top"][0]["label"], name)
        rows = subprocess.run([SAHA, "backends", "stored.tflite", "--json"], cwd=self.folder, capture_output=True, text=True, timeout=120)
        native = next(r for r in json.loads(rows.stdout)["backends"] if r["backend"] == "native")
        self.assertEqual(native["precision"], "int8")

    def test_kept_layers_stay_float(self):
        self.quantised("--keep", "point")
        kept = [i.name for i in onnx.load(self.folder / "q.onnx").graph.initializer if i.data_type == TensorProto.FLOAT and i.dims == [8, 8, 1, 1]]
        self.assertEqual(len(kept), 1)

    def test_refusals(self):
        data = ["--data", "data.npz"]
        np.savez(self.folder / "small.npz", x=np.zeros((4, 3, 7, 8), np.float32))
        np.savez(self.folder / "flat.npz", x=np.full((4, 3, 8, 8), 0.5, np.float32))
        np.savez(self.folder / "nan.npz", x=np.full((4, 3, 8, 8), np.nan, np.float32))
        np.savez(self.folder / "empty.npz", x=np.zeros((0, 3, 8, 8), np.float32))
        for words, status, said in ((["model.onnx", "-o", "o.onnx"], 2, "needs --data"), (["model.onnx", *data], 2, "needs -o"), (["model.onnx", "-o", "model.onnx", *data], 1 + 1, "would be overwritten"),
                                    (["model.onnx", "-o", "o.bin", *data], 2, "o.bin"), (["model.onnx", "-o", "o.onnx", *data, "--calibrate", "max"], 2, "auto, minmax, percentile, entropy and mse"),
                                    (["model.onnx", "-o", "o.onnx", *data, "--floor", "0.5"], 2, "a number with its unit"), (["model.onnx", "-o", "o.onnx", *data, "--to", "int3"], 2, "int3"),
                                    (["model.onnx", "-o", "o.onnx", "--scheme", "dynamic", "--to", "int4"], 2, "scheme dynamic has int8"), (["model.onnx", "-o", "o.onnx", "--scheme", "weight"], 2, "static, dynamic and weights"),
                                    (["model.onnx", "-o", "o.tflite", "--scheme", "weights"], 2, "written as ONNX only"), (["model.onnx", "-o", "o.onnx", *data, "--keep", "nobody"], 2, "there is no layer 'nobody'"),
                                    (["model.onnx", "-o", "o.onnx", "--data", "small.npz"], 1, "[3, 7, 8]"), (["model.onnx", "-o", "o.onnx", "--data", "flat.npz"], 1, "everywhere"),
                                    (["model.onnx", "-o", "o.onnx", "--data", "nan.npz"], 1, "not finite"), (["model.onnx", "-o", "o.onnx", "--data", "empty.npz"], 1, "empty"),
                                    (["model.onnx", "-o", "o.onnx", "--data", "nowhere"], 1, "nowhere")):
            with self.subTest(" ".join(words)):
                done = self.go(*words, status=status)
                self.assertIn(said, done.stderr)
                self.assertEqual(done.stderr.count("error: "), 1, done.stderr)
        self.assertFalse((self.folder / "o.onnx").exists())

    def test_damaged_scales_are_refused(self):
        """Wrong lengths, zeros and NaN where scales stand: one sentence, never a crash."""
        self.quantised()
        for name, damage in DAMAGES:
            model = onnx.load(self.folder / "q.onnx")
            scale = next(n.input[1] for n in model.graph.node if n.op_type == "DequantizeLinear" and len(next(i for i in model.graph.initializer if i.name == n.input[1]).dims) == 1)
            at = next(i for i, t in enumerate(model.graph.initializer) if t.name == scale)
            model.graph.initializer[at].CopyFrom(numpy_helper.from_array(damage(numpy_helper.to_array(model.graph.initializer[at])).astype(np.float32), scale))
            onnx.save(model, self.folder / "damaged.onnx")
            np.save(self.folder / "one.npy", self.x[:1])
            done = subprocess.run([SAHA, "infer", "damaged.onnx", "--input", "one.npy"], cwd=self.folder, capture_output=True, text=True, timeout=60)
            self.assertEqual(done.returncode, 1, f"{name}: {done.stdout}")
            self.assertEqual(done.stderr.count("error: "), 1)
            self.assertIn("scale", done.stderr)

    @unittest.skipUnless(Interpreter, "needs ai-edge-litert")
    def test_damaged_scales_of_tensorflow_lite_are_refused(self):
        import flatbuffers
        from ai_edge_litert import schema_py_generated as schema
        self.quantised("--calibrate", "mse", out="q.tflite")
        raw = (self.folder / "q.tflite").read_bytes()
        np.save(self.folder / "one.npy", self.x[:1])
        for name, damage in (*DAMAGES, ("none", lambda s: s[:0])):
            for by_channel in (False, True):
                model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(raw, 0))
                q = next(t.quantization for t in model.subgraphs[0].tensors if t.quantization is not None and t.quantization.scale is not None and (len(t.quantization.scale) > 1) == by_channel)
                q.scale = damage(np.asarray(q.scale, np.float32)).astype(np.float32)
                b = flatbuffers.Builder(1 << 16)
                b.Finish(model.Pack(b), b"TFL3")
                (self.folder / "damaged.tflite").write_bytes(bytes(b.Output()))
                done = subprocess.run([SAHA, "infer", "damaged.tflite", "--input", "one.npy"], cwd=self.folder, capture_output=True, text=True, timeout=60)
                self.assertEqual(done.returncode, 1, f"{name}: {done.stdout}")
                self.assertEqual(done.stderr.count("error: "), 1)
                self.assertIn("int8" if name == "none" and by_channel else "scale", done.stderr)


if __name__ == "__main__":
    SAHA = str(pathlib.Path(sys.argv[1]).resolve())
    unittest.main(argv=sys.argv[:1])
