"""saha convert --fold against other engines: a folded file takes raw samples in onnxruntime, OpenVINO and LiteRT and gives what steps and network give in saha.

    fold_test.py SAHA        needs numpy, onnx; an engine's part is left out, with a line, where the engine is not here
"""
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest
import wave

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SAHA = ""


def engines():
    """What is here: ending of the file, function of file and input."""
    found = {}
    try:
        import onnxruntime as ort

        def in_onnxruntime(path, x):
            s = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
            return s.run(None, {s.get_inputs()[0].name: x})[0]
        found["onnx"] = in_onnxruntime
    except ImportError:
        print("onnxruntime is not here: ONNX files are not run")
    try:
        from ai_edge_litert.interpreter import Interpreter

        def in_litert(path, x):
            it = Interpreter(str(path))
            d = it.get_input_details()[0]
            it.resize_tensor_input(d["index"], x.shape)
            it.allocate_tensors()
            it.set_tensor(d["index"], x)
            it.invoke()
            return it.get_tensor(it.get_output_details()[0]["index"])
        found["tflite"] = in_litert
    except ImportError:
        print("ai-edge-litert is not here: TensorFlow Lite files are not run")
    try:
        import openvino

        def in_openvino(path, x):
            m = openvino.compile_model(str(path), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
            return list(m(x).values())[0]
        found["xml"] = in_openvino
    except ImportError:
        print("openvino is not here: IR files are not run")
    return found


def saha(*args, code=0):
    r = subprocess.run([SAHA, *map(str, args)], capture_output=True, text=True)
    assert r.returncode == code, f"saha {' '.join(map(str, args))}: {r.returncode}\n{r.stdout}{r.stderr}"
    return r


def network(shape, path):
    """A convolution of 3 channels without padding, a product of anything else; small enough that every element counts."""
    r = np.random.default_rng(7)
    total = int(np.prod(shape))
    w = {"w": (r.standard_normal((total, 4)) / np.sqrt(total)).astype(np.float32), "shape": np.array([-1, total], np.int64)}
    nodes = [helper.make_node("Reshape", ["x", "shape"], ["f"]), helper.make_node("MatMul", ["f", "w"], ["y"])]
    graph = helper.make_graph(nodes, "net", [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, *shape])], [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 4])],
                              [numpy_helper.from_array(v, k) for k, v in w.items()])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)


class Fold(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="saha_fold_"))
        cls.engines = engines()

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.folder)

    def value(self, *args):
        return np.array(json.loads(saha("infer", *args, "--json").stdout)["outputs"][0]["values"], np.float32)

    def agree(self, steps, shape, raw, sample, data, tolerance):
        """`sample`: a file with the raw sample; `data`: the same as the folded file takes it."""
        net = self.folder / "net.onnx"
        network(shape, net)
        steps = json.dumps(steps)
        want = self.value(net, "-i", sample, "--preprocess", steps)
        for ending in ("onnx", "tflite", "xml", "saha"):
            out = self.folder / f"raw.{ending}"
            saha("convert", net, "-o", out, "--fold", "--preprocess", steps, *(["--raw", raw] if raw else []))
            got = {"saha": self.value(out, "-i", sample)}   # no further option
            if ending in self.engines:
                got[ending] = self.engines[ending](out, data).reshape(-1)
            for engine, y in got.items():
                self.assertLessEqual(np.abs(y - want).max(), tolerance * max(1, np.abs(want).max()), f"{steps} in {engine}, .{ending}")

    def test_pictures(self):
        r = np.random.default_rng(1)
        for h, w, raw in ((33, 47, True), (20, 16, False)):
            x = r.integers(0, 256, (h, w, 3)).astype(np.uint8)
            x[::5, ::3] = 255
            sample = self.folder / "x.npy"
            np.save(sample, x)
            size = f"{h}x{w}" if raw else ""
            tail = [{"scale": "x/255"}, {"normalize": {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}}]
            if not raw:
                for shape in ((3, h, w), (h, w, 3)):
                    self.agree([{"decode": "rgb"}, *tail], shape, size, sample, x[None], 2e-6)
                continue
            for rule in ("cv-linear", "cv-nearest", "pil-nearest", "pil-bilinear", "pil-bicubic", "pil-lanczos", "tf-bilinear", "tf1-bilinear", "tf1-corners", "torch-bilinear", "tf-antialias", "torch-antialias"):
                for fit in ("stretch", "letterbox") if rule in ("cv-linear", "pil-bilinear", "tf-bilinear") else ("stretch",):
                    self.agree([{"decode": "rgb"}, {"resize": {"to": [20, 16], "rule": rule, "fit": fit}}, *tail], (3, 20, 16), size, sample, x[None], 2e-5)
            self.agree([{"decode": "rgb"}, {"crop": {"fraction": 0.875}}, {"resize": {"to": [20, 16], "rule": "pil-bilinear"}}, *tail], (20, 16, 3), size, sample, x[None], 2e-6)

    def test_sound(self):
        r = np.random.default_rng(2)
        n = 8000
        for channels in (1, 2):
            x = np.clip(r.normal(0, 3000, (n, channels)) + 8000 * np.sin(np.arange(n) * 0.07)[:, None], -32768, 32767).astype(np.int16)
            sample = self.folder / "x.wav"
            with wave.open(str(sample), "wb") as f:
                f.setnchannels(channels), f.setsampwidth(2), f.setframerate(16000), f.writeframes(x.tobytes())
            data = (x.T / np.float32(32768)).astype(np.float32)[None]
            mel = {"frame": "30 ms", "hop": "20 ms", "fft": 512, "mels": 40, "range": [20, 4000]}
            raw = f"{channels}x{n}@16kHz"
            self.agree(["mono", {"peak": "max"}, {"length": {"to": "1 s"}}, {"mfcc": {**mel, "power": 1, "triangles": "mel", "coefficients": 10}}], (49, 10, 1), raw, sample, data, 1e-4)
            self.agree(["mono", {"resample": {"to": "8 kHz"}}, {"length": {"to": "0.4 s"}}, {"log_mel": {**mel, "fft": 256, "log": "db"}}], (1, 19, 40), raw, sample, data, 1e-4)

    def test_what_stays_is_said_and_kept(self):
        net = self.folder / "net.onnx"
        network((3, 6, 5), net)
        steps = '[{"decode": "gray"}, {"resize": {"to": [6, 5], "rule": "cv-area"}}, {"scale": "x/255"}]'
        out = self.folder / "raw.onnx"
        e = saha("convert", net, "-o", out, "--fold", "--preprocess", steps.replace("gray", "rgb"), "--raw", "9x9")
        self.assertIn("outside: cv-area sums in float32", e.stderr)
        x = np.arange(9 * 9 * 3, dtype=np.uint8).reshape(9, 9, 3)
        np.save(self.folder / "x.npy", x)
        want = self.value(net, "-i", self.folder / "x.npy", "--preprocess", steps.replace("gray", "rgb"))
        np.testing.assert_allclose(self.value(out, "-i", self.folder / "x.npy"), want, rtol=1e-5, atol=1e-6)
        kept = json.loads({p.key: p.value for p in onnx.load(out).metadata_props}["saha.preprocess"])["x"]
        self.assertEqual([next(iter(s)) for s in kept["outside"]], ["decode", "resize"])
        self.assertEqual(len(kept["steps"]), 3)
        bundle = self.folder / "raw.saha"
        saha("convert", net, "-o", bundle, "--fold", "--preprocess", steps.replace("gray", "rgb"))
        self.assertTrue(np.array_equal(self.value(bundle, "-i", self.folder / "x.npy"), self.value(out, "-i", self.folder / "x.npy")))

    def test_wrong_command_lines_are_one_sentence(self):
        net = self.folder / "net.onnx"
        network((3, 6, 5), net)
        out = self.folder / "bad.onnx"
        scale = '[{"decode": "rgb"}, {"scale": "x/255"}]'
        for args, message in ((["--fold"], "--fold folds the steps of --preprocess, and there are none"),
                              (["--raw", "6x5"], "--raw says what --fold folds for"),
                              (["--preprocess", scale], "--preprocess without --fold is of .saha files"),
                              (["--fold", "--preprocess", '[{"decode": "rgb"}]'], "no step can be folded: decode"),
                              (["--fold", "--preprocess", scale, "--raw", "6"], "'6' is no raw sample"),
                              (["--fold", "--preprocess", '["mono", {"mfcc": {}}]'], "channels, samples and rate of the raw sound are not known"),
                              (["--fold", "--preprocess", scale, "--raw", "7x5"], "the steps give float32[7, 5, 3] a sample, input 'x' takes float32[1, 3, 6, 5]")):
            r = subprocess.run([SAHA, "convert", net, "-o", out, *args], capture_output=True, text=True)
            self.assertIn(r.returncode, (1, 2), args)
            self.assertIn(message, r.stderr)
            self.assertEqual(r.stderr.count("error: "), 1, r.stderr)
            self.assertFalse(out.exists())


if __name__ == "__main__":
    SAHA = sys.argv.pop(1)
    unittest.main()
