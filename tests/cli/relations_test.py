"""saha validate at the level test: relations whose truth is known, on a made model in float32 and int8.

    relations_test.py SAHA        needs numpy, onnx
"""
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SAHA = ""
SIDE = 12


def pictures(n, seed=0):
    """A bright half, left (class 0) or right (class 1), on a dark ground, with noise."""
    r = np.random.default_rng(seed)
    y = np.arange(n) % 2
    x = r.integers(0, 40, (n, 1, SIDE, SIDE))
    for i, label in enumerate(y):
        x[i, :, :, :SIDE // 2] += 150 * (1 - label)
        x[i, :, :, SIDE // 2:] += 150 * label
    return x.astype(np.uint8), y


def halves(path, quantised=False):
    """score = (mean of the left half, mean of the right half) of the picture in [0, 1]; quantised: through a pair of 8 bits before the product."""
    w = np.zeros((SIDE * SIDE, 2), np.float32)
    for i in range(SIDE * SIDE):
        w[i, int(i % SIDE >= SIDE // 2)] = 2 / (SIDE * SIDE)
    constants = [numpy_helper.from_array(w, "w"), numpy_helper.from_array(np.float32(1 / 255), "k")]
    nodes = [helper.make_node("Mul", ["image", "k"], ["share"]), helper.make_node("Flatten", ["share"], ["flat"])]
    last = "flat"
    if quantised:
        constants += [numpy_helper.from_array(np.float32(1 / 255), "s"), numpy_helper.from_array(np.uint8(0), "z")]
        nodes += [helper.make_node("QuantizeLinear", ["flat", "s", "z"], ["q"]), helper.make_node("DequantizeLinear", ["q", "s", "z"], ["d"])]
        last = "d"
    nodes.append(helper.make_node("MatMul", [last, "w"], ["score"]))
    graph = helper.make_graph(nodes, "halves", [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 1, SIDE, SIDE])],
                              [helper.make_tensor_value_info("score", TensorProto.FLOAT, ["N", 2])], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, path)


REQUIREMENTS = """
saha: 1
model: {input: {image: {domain: [0, 255], unit: gray}}}
data: {test: {npz: test.npz}}
requirements:
  - {id: dim, for: {data: test}, assert: "for all t in brightness(-10 %, 10 %): argmax(score(t(x))) == argmax(score(x))", level: test(200)}
  - {id: lower, for: {data: test}, assert: "for all t in brightness(-10 %, 10 %): argmax(score(t(x))) == argmax(score(x))", fallback: test(60)}
  - {id: aside, for: {data: test}, assert: "for all t in shift(-2, 2): argmax(score(t(x))) == label", level: test(200)}
  - {id: far, for: {data: test}, assert: "for all t in shift(-12, 12): argmax(score(t(x))) == label", level: test(200)}
  - {id: over, for: {data: test}, assert: "for all t in rotate(-180 deg, 180 deg): argmax(score(t(x))) == argmax(score(x))", level: test(200)}
  - {id: near, for: {data: test}, assert: "for all d in Linf(x, 60 gray): argmax(score(d)) == label", level: test(100)}
  - {id: beyond, for: {data: test, take: 4}, assert: "for all d in Linf(x, 80 gray): argmax(score(d)) == label", level: test(50)}
  - {id: ball, for: {data: test, take: 4}, assert: "for all d in L2(x, 1000 gray): argmax(score(d)) == label", level: test(50)}
  - {id: weather, for: {data: test}, assert: "for all t in corruptions(1, 1): argmax(score(t(x))) == label", level: test(150), severity: info}
"""


class Relations(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.at = pathlib.Path(folder.name)
        x, y = pictures(12)
        np.savez(self.at / "test.npz", x=x, y=y)
        self.x = x
        (self.at / "r.req.yaml").write_text(REQUIREMENTS)

    def go(self, *words, status):
        done = subprocess.run([SAHA, "validate", *words], cwd=self.at, capture_output=True, text=True, timeout=250)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return done

    def judged(self, quantised):
        halves(self.at / "m.onnx", quantised)
        done = self.go("m.onnx", "--requirements", "r.req.yaml", "--json", "--report", "r.html", status=1)
        return {r["id"]: r for r in json.loads(done.stdout)["requirements"]}

    def test_relations_pass_and_fail_as_they_must(self):
        for quantised in (False, True):
            found = self.judged(quantised)
            for name, verdict in (("dim", "passed"), ("aside", "passed"), ("far", "violated"), ("over", "violated"), ("near", "passed"), ("beyond", "violated"), ("ball", "violated")):
                self.assertEqual(found[name]["verdict"], verdict, found[name])
            self.assertEqual((found["lower"]["verdict"], found["lower"]["by_fallback"]), ("passed", True), found["lower"])
            self.assertIn("200 random tries on 12 samples hold; failure rate < 1.49 % at 95 %", found["dim"]["evidence"])
            self.assertIn("APGD", found["near"]["evidence"])
            self.assertNotIn("inconclusive", found["weather"]["verdict"])
            # The failing input was saved, lies in the region, and fails indeed.
            w = found["beyond"]["witness"]
            self.assertTrue(w["files"][1].endswith("evidence/beyond/failing.png"), w)
            failing = np.load((self.at / w["files"][1]).with_suffix(".npy")).astype(int)
            original = self.x[w["sample"]].astype(int)
            self.assertEqual(failing.shape, original.shape)
            self.assertLessEqual(abs(failing - original).max(), 80)
            left, right = failing[..., :SIDE // 2].sum(), failing[..., SIDE // 2:].sum()
            self.assertGreaterEqual((right - left) * (1 if w["sample"] % 2 == 0 else -1), 0)
            self.assertLess(abs(right - left), 2000)          # made smaller: all but on the border between the classes
            self.assertIn("data:image/png;base64", (self.at / "r.html").read_text())
            self.assertIn("far fails", (self.at / "r.html").read_text())

    def test_the_same_seed_finds_the_same_input(self):
        halves(self.at / "m.onnx")
        both = [json.loads(self.go("m.onnx", "--requirements", "r.req.yaml", "--json", "--only", "over", status=1).stdout)["requirements"][0] for _ in range(2)]
        self.assertEqual(both[0]["witness"], both[1]["witness"])
        self.assertIn("rotate by", both[0]["witness"]["change"])

    def test_words_are_said_in_english_and_their_limits_are_told(self):
        halves(self.at / "m.onnx")
        said = self.go("m.onnx", "--requirements", "r.req.yaml", "--explain", status=0).stdout
        self.assertIn("for every t in rotations from minus 180 deg to 180 deg", said)
        (self.at / "n.req.yaml").write_text("saha: 1\ndata: {test: {npz: test.npz}}\nrequirements:\n  - {id: R, for: {data: test}, assert: \"for all t in corruptions(1, 9): argmax(score(t(x))) == label\", level: test(5)}\n")
        self.assertIn("severit", self.go("m.onnx", "--requirements", "n.req.yaml", status=2).stderr)


if __name__ == "__main__":
    SAHA = str(pathlib.Path(sys.argv.pop(1)).resolve())
    unittest.main()
