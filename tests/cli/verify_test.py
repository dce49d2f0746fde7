"""saha verify as a user meets it: verdicts, exit codes, counterexamples that hold when they are read again, and what is refused.

    verify_test.py SAHA        needs numpy and onnx
"""
import gzip
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SAHA = ""
HEAD = "(declare-const X_0 Real)(declare-const X_1 Real)(declare-const Y_0 Real)(declare-const Y_1 Real)\n(assert (and (>= X_0 -1) (<= X_0 1) (>= X_1 -1) (<= X_1 1)))\n"


def network():
    """y = (relu(x0 + x1), relu(x0 - x1) - 3): within the box y0 is at most 2, y1 at least -3 and at most -1."""
    first, second = np.array([[1, 1], [1, -1]], np.float32), np.eye(2, dtype=np.float32)
    return helper.make_model(helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["a"]), helper.make_node("Relu", ["a"], ["r"]), helper.make_node("MatMul", ["r", "v"], ["b"]), helper.make_node("Add", ["b", "c"], ["y"])],
        "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 2])], [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 2])],
        [numpy_helper.from_array(first, "w"), numpy_helper.from_array(second, "v"), numpy_helper.from_array(np.array([0, -3], np.float32), "c")]), opset_imports=[helper.make_opsetid("", 17)])


def run(x):
    x0, x1 = np.float32(x[0]), np.float32(x[1])
    return max(x0 + x1, 0), max(x0 - x1, 0) - 3


class Verify(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="saha_verify_"))
        onnx.save(network(), cls.folder / "net.onnx")
        (cls.folder / "net.onnx.gz").write_bytes(gzip.compress((cls.folder / "net.onnx").read_bytes()))
        for name, text in (("holds", HEAD + "(assert (or (>= Y_0 2.5) (>= Y_1 Y_0)))"), ("broken", HEAD + "(assert (or (>= Y_0 2.5) (>= Y_1 -2)))"), ("any", HEAD),
                           ("three", HEAD.replace("(declare-const Y_1 Real)", "(declare-const Y_1 Real)(declare-const Y_2 Real)") + "(assert (<= Y_2 0))"),
                           ("wrong", HEAD + "(assert (<= Y_0\n 1)"),
                           ("two", "(vnnlib-version <2.0>)(declare-network N (declare-input X float32 [1,2]) (declare-output Y float32 [1,2]))\n"
                                   "(assert (and (>= X[0,0] -1) (<= X[0,0] 1) (>= X[0,1] -1) (<= X[0,1] 1) (>= Y[0,0] 2.5)))"),
                           ("flat", "(vnnlib-version <2.0>)(declare-network N (declare-input X float32 [1]) (declare-input Z float32 [1]) (declare-output Y float32 [1,2]))\n"
                                    "(assert (and (>= X[0] -1) (<= X[0] 1) (>= Z[0] -1) (<= Z[0] 1) (>= Y[0,0] 2.5)))")):
            (cls.folder / f"{name}.vnnlib").write_text(text)
        (cls.folder / "holds.vnnlib.gz").write_bytes(gzip.compress((cls.folder / "holds.vnnlib").read_bytes()))

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.folder)

    def go(self, *words, status):
        environment = {k: v for k, v in os.environ.items() if not k.startswith("SAHA_")}
        done = subprocess.run([SAHA, "verify", *words], cwd=self.folder, capture_output=True, text=True, timeout=120, env=environment)
        self.assertEqual(done.returncode, status, f"saha verify {' '.join(words)}\n{done.stdout}{done.stderr}")
        return done

    def counterexample(self, text):
        self.assertRegex(text, r"^\(\(X_0 [^()]+\)\n \(X_1 [^()]+\)\n \(Y_0 [^()]+\)\n \(Y_1 [^()]+\)\)\n$")
        x = [float(v) for v in re.findall(r"X_\d+ ([^)]+)", text)]
        y = [float(v) for v in re.findall(r"Y_\d+ ([^)]+)", text)]
        self.assertTrue(all(-1 <= v <= 1 and v == np.float32(v) for v in x))
        self.assertEqual(tuple(y), run(x))
        return x, y

    def test_what_holds_is_unsat(self):
        for model in ("net.onnx", "net.onnx.gz"):
            for prop in ("holds.vnnlib", "holds.vnnlib.gz", "two.vnnlib"):
                done = self.go(model, prop, status=0)
                self.assertEqual(done.stdout, "unsat\n")
                self.assertRegex(done.stderr, r"^holds: no input of the box satisfies .*, in float32 sums of any order; .*\n$")
        self.assertIn("in exact sums", self.go("net.onnx", "holds.vnnlib", "--arithmetic", "real", status=0).stderr)
        self.assertEqual(self.go("net.onnx", "holds.vnnlib", "-q", status=0).stderr, "")

    def test_what_is_broken_is_sat_with_a_counterexample(self):
        done = self.go("net.onnx", "broken.vnnlib", "--witness", "w.txt", status=1)
        verdict, text = done.stdout.split("\n", 1)
        self.assertEqual(verdict, "sat")
        _, y = self.counterexample(text)
        self.assertGreaterEqual(y[1], -2)
        self.assertRegex(done.stderr, r"^violated: Y_1 >= -2 \(case 2 of 2\), executed by native; .*\nwrote w.txt\n$")
        self.assertEqual((self.folder / "w.txt").read_text(), text)
        self.go("net.onnx", "broken.vnnlib", "--witness", "w.npy", "--backend", "native", status=1)
        x = np.load(self.folder / "w.npy")
        self.assertEqual((x.shape, x.dtype), ((1, 2), np.float32))
        self.assertGreaterEqual(run(x[0])[1], -2)
        self.go("net.onnx.gz", "broken.vnnlib", "--witness", "w.npz", status=1)
        arrays = np.load(self.folder / "w.npz")
        self.assertEqual(tuple(arrays["y"][0]), run(arrays["x"][0]))
        self.go("net.onnx", "any.vnnlib", status=1)   # any input is one

    def test_json_and_reports(self):
        done = json.loads(self.go("net.onnx", "broken.vnnlib", "--json", "--report", "r.html", "--report", "r.json", "-q", status=1).stdout)
        self.assertEqual((done["schema"], done["verdict"], done["inputs"], done["outputs"], done["cases"], done["arithmetic"]), ("saha.verify/1", "sat", 2, 2, 2, "float32"))
        self.assertEqual(done["counterexample"]["case"], 2)
        self.assertEqual(tuple(done["counterexample"]["y"]), run(done["counterexample"]["x"]))
        self.assertEqual(len(done["model_sha256"]), 64)
        self.assertIsNone(json.loads(self.go("net.onnx", "holds.vnnlib", "--json", status=0).stdout)["counterexample"])
        self.assertEqual(json.loads((self.folder / "r.json").read_text())["verdict"], "sat")
        error = json.loads(self.go("net.onnx", "wrong.vnnlib", "--json", status=2).stdout)["error"]
        self.assertEqual((error["file"], error["line"], error["column"]), ("wrong.vnnlib", 4, 4))

    def test_explain_says_it_in_words(self):
        said = self.go("net.onnx", "holds.vnnlib", "--explain", status=0).stdout
        self.assertIn("inputs   2, 2 vary by 2\noutputs  2\ncases    2, of 1 box and 2 rows\n", said)
        self.assertIn("case 2\n  Y_0 <= Y_1\n", said)

    def test_what_does_not_fit_is_refused(self):
        self.assertIn("three.vnnlib has 3 outputs, net.onnx has 2 ('y' float32[1, 2])", self.go("net.onnx", "three.vnnlib", status=2).stderr)
        self.assertIn("flat.vnnlib declares 2 input tensors, net.onnx has 1", self.go("net.onnx", "flat.vnnlib", status=2).stderr)
        self.assertIn("holds.vnnlib has 2 inputs, net.onnx has 6 ('x' float32[3, 2])", self.go("net.onnx", "holds.vnnlib", "--shape", "x=3x2", status=2).stderr)
        self.assertIn("error: wrong.vnnlib:4:4: the file ends where the ')' that ends this 'assert' is expected", self.go("net.onnx", "wrong.vnnlib", status=2).stderr)
        self.assertIn("there is no model 'absent.onnx'", self.go("absent.onnx", "holds.vnnlib", status=2).stderr)
        self.go("net.onnx", "absent.vnnlib", status=2)
        self.go("holds.vnnlib", "holds.vnnlib", status=2)
        self.assertIn("--arithmetic is 'int8'", self.go("net.onnx", "holds.vnnlib", "--arithmetic", "int8", status=2).stderr)
        self.assertIn("--timeout is 'soon'", self.go("net.onnx", "holds.vnnlib", "--timeout", "soon", status=2).stderr)


if __name__ == "__main__":
    SAHA = sys.argv.pop(1)
    unittest.main()
