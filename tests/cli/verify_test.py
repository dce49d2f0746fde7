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

    def test_a_proof_is_written_and_checked(self):
        def check(proof, model, prop, status, *options):
            done = subprocess.run([SAHA, "check-proof", proof, model, prop, *options], cwd=self.folder, capture_output=True, text=True, timeout=120)
            self.assertEqual(done.returncode, status, done.stdout + done.stderr)
            return done.stdout

        self.assertTrue(self.go("net.onnx", "holds.vnnlib", "--proof", "a.saha-proof", status=0).stderr.endswith("wrote a.saha-proof\n"))
        self.assertEqual(check("a.saha-proof", "net.onnx", "holds.vnnlib", 0), "valid\n")
        self.assertEqual(check("a.saha-proof", "net.onnx", "broken.vnnlib", 1), "invalid: it is of another property than broken.vnnlib\n")
        self.assertEqual(check("a.saha-proof", "net.onnx.gz", "holds.vnnlib", 1), "invalid: it is of another model than net.onnx.gz\n")
        damaged = bytearray((self.folder / "a.saha-proof").read_bytes())
        damaged[-1] ^= 1
        (self.folder / "b.saha-proof").write_bytes(damaged)
        self.assertEqual(check("b.saha-proof", "net.onnx", "holds.vnnlib", 1), "invalid: no certificate of saha, or a damaged one: its bytes are not those that were written\n")
        check("none", "net.onnx", "holds.vnnlib", 2)
        self.assertEqual(check("a.saha-proof", "net.onnx", "holds.vnnlib", 0, "--arithmetic", "real"), "valid\n")  # what any order keeps exact sums keep
        self.go("net.onnx", "holds.vnnlib", "--arithmetic", "real", "--proof", "d.saha-proof", status=0)
        self.assertEqual(check("d.saha-proof", "net.onnx", "holds.vnnlib", 1), "invalid: it is of exact sums, and float32 sums may break what they keep; --arithmetic real takes it\n")
        self.assertEqual(check("d.saha-proof", "net.onnx", "holds.vnnlib", 0, "--arithmetic", "real"), "valid\n")
        self.go("net.onnx", "broken.vnnlib", "--proof", "c.saha-proof", status=1)   # nothing to write
        self.assertFalse((self.folder / "c.saha-proof").exists())

    def test_products_of_variables_are_proved_with_proof_though_their_certificates_are_not_checked(self):
        rng = np.random.default_rng(5)
        array = lambda name, *dims: numpy_helper.from_array((rng.standard_normal(dims) * 0.4).astype(np.float32), name)
        graph = helper.make_graph(
            [helper.make_node("Gemm", ["x", "a", "b"], ["g"]), helper.make_node("Relu", ["g"], ["left"]), helper.make_node("Gemm", ["x", "c", "d"], ["h"]), helper.make_node("Relu", ["h"], ["right"]),
             helper.make_node("Mul", ["left", "right"], ["p"]), helper.make_node("Gemm", ["p", "e", "f"], ["q"]), helper.make_node("Relu", ["q"], ["r"]), helper.make_node("Gemm", ["r", "k", "l"], ["y"])],
            "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 20])], [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 1])],
            [array("a", 20, 12), array("b", 12), array("c", 20, 12), array("d", 12), array("e", 12, 8), array("f", 8), array("k", 8, 1), array("l", 1)])
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), self.folder / "product.onnx")
        text = "".join(f"(declare-const X_{i} Real)" for i in range(20)) + "(declare-const Y_0 Real)\n" + "".join(f"(assert (>= X_{i} -0.25))(assert (<= X_{i} 0.25))\n" for i in range(20))
        (self.folder / "product.vnnlib").write_text(text + "(assert (>= Y_0 3))")
        for _ in range(3):
            done = subprocess.run([SAHA, "verify", "product.onnx", "product.vnnlib", "--proof", "p.saha-proof", "--timeout", "30"], cwd=self.folder, capture_output=True, text=True, timeout=120)
            self.assertIn(done.stdout, ("unsat\n", "timeout\n", "unknown\n"), done.stderr)
            self.assertIn(done.returncode, (0, 2, 3), done.stderr)   # 2: it holds and has no certificate
        if (self.folder / "p.saha-proof").exists():
            done = subprocess.run([SAHA, "check-proof", "p.saha-proof", "product.onnx", "product.vnnlib"], cwd=self.folder, capture_output=True, text=True, timeout=120)
            self.assertEqual(done.returncode, 2, done.stdout)
            self.assertIn("Mul", done.stderr)

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

    def relation(self, name, head, text):
        (self.folder / name).write_text("(vnnlib-version <2.0>)\n(declare-network f (declare-input X real [2]) (declare-output Y real [2]))\n"
                                        f"(declare-network g {head} (declare-input A real [2]) (declare-output B real [2]))\n"
                                        "(assert (and (>= X[0] -1) (<= X[0] 1) (>= X[1] -1) (<= X[1] 1)))" + text)
        return name

    def test_properties_relate_several_networks(self):
        same = "(assert (and (== X[0] A[0]) (== X[1] A[1])))"
        monotonic = "(assert (and (<= A[0] X[0]) (>= A[0] -1) (== X[1] A[1])))"
        bound = self.relation("up.vnnlib", "(equal-to f)", monotonic + "(assert (< (+ Y[0] 0.25) B[0]))")   # y0 grows with x0
        self.assertEqual(self.go("net.onnx", bound, status=0).stdout, "unsat\n")
        down = self.relation("down.vnnlib", "(equal-to f)", monotonic + "(assert (< (+ Y[1] 0.5) Y[0] ))(assert (> B[0] 0.5))")
        text = self.go("net.onnx", down, status=1).stdout.splitlines()
        self.assertEqual([text[i] for i in (0, 1, 4, 7, 10)], ["sat", "X real [2]", "Y real [2]", "A real [2]", "B real [2]"])
        x, y, a, b = (tuple(map(float, text[i:i + 2])) for i in (2, 5, 8, 11))
        self.assertEqual((len(text), y, b), (13, run(x), run(a)))
        self.assertTrue(a[0] <= x[0] and a[1] == x[1] and y[1] + 0.5 < y[0] and b[0] > 0.5, text)
        moved = network()
        moved.graph.initializer[2].CopyFrom(numpy_helper.from_array(np.array([0.25, -3], np.float32), "c"))
        onnx.save(moved, self.folder / "moved.onnx")
        far = "(assert (or (> Y[0] (+ B[0] E)) (< Y[0] (- B[0] E)) (> Y[1] (+ B[1] E)) (< Y[1] (- B[1] E))))"
        for e, status in (("0.3", 0), ("0.2", 1)):
            close = self.relation("close.vnnlib", "(isomorphic-to f)", same + far.replace("E", e))
            self.go("net.onnx", close, "--network", "g=moved.onnx", "--witness", "w.npz", status=status)
        found = json.loads(self.go("net.onnx", close, "--network", "g=moved.onnx", "--json", status=1).stdout)
        self.assertEqual([(n["name"], n["model"]) for n in found["networks"]], [("f", "net.onnx"), ("g", "moved.onnx")])
        self.assertEqual([len(found["counterexample"][k]) for k in "xy"], [4, 4])
        arrays = np.load(self.folder / "w.npz")
        self.assertEqual(sorted(arrays), ["f.x", "f.y", "g.x", "g.y"])
        np.testing.assert_array_equal(arrays["f.x"], arrays["g.x"])
        np.testing.assert_allclose(arrays["g.y"] - arrays["f.y"], [[0.25, 0]], atol=1e-6)
        said = self.go("net.onnx", close, "--network", "g=moved.onnx", "--explain", status=0).stdout
        self.assertIn("The networks are 'f', 'g' (built as 'f').\n", said)
        self.assertIn("inputs   2, 2 vary by 2; 4 are declared, the others are set equal to these\n", said)
        self.assertIn("network 'g' of close.vnnlib has no model\nhelp: --network g=FILE", self.go("net.onnx", close, status=2).stderr)
        self.assertIn("declares no network 'h'", self.go("net.onnx", close, "--network", "h=moved.onnx", status=2).stderr)
        self.assertIn("'g' is declared equal to 'f'", self.go("net.onnx", bound, "--network", "g=moved.onnx", status=2).stderr)

    def test_inputs_set_equal_in_one_network(self):
        (self.folder / "tied.vnnlib").write_text(HEAD + "(assert (= X_0 X_1))(assert (> Y_1 -2.5))")   # x0 - x1 is 0
        self.assertEqual(self.go("net.onnx", "tied.vnnlib", status=0).stdout, "unsat\n")
        (self.folder / "tied.vnnlib").write_text(HEAD + "(assert (= X_0 X_1))(assert (> Y_0 1.5))")
        x, _ = self.counterexample(self.go("net.onnx", "tied.vnnlib", status=1).stdout.split("\n", 1)[1])
        self.assertEqual(x[0], x[1])

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
