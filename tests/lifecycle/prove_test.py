"""The level prove from the command line: docs/tutorial-prove.md as written, pictures in gray levels, two networks, and proofs in a life cycle.

    prove_test.py SAHA        the binary; needs numpy and onnx
"""
import csv
import json
import pathlib
import re
import subprocess
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

import life_cycle

ROOT = pathlib.Path(__file__).resolve().parents[2]


def pictures(shift=0.0, side=4):
    """Two classes of 4 x 4 gray pictures: is the left half the brighter one? Logits are differences of means, in shares of white."""
    left = np.zeros((1, side, side), np.float32)
    left[:, :, : side // 2] = 1
    right = np.zeros((1, side, side), np.float32)
    right[:, :, side // 2:] = 1
    w = np.stack([(left - right).ravel(), (right - left).ravel()], 1) / (side * side / 2)
    graph = helper.make_graph(
        [helper.make_node("Flatten", ["image"], ["flat"], "flatten"), helper.make_node("Gemm", ["flat", "w", "b"], ["score"], "dense")], "sides",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 1, side, side])], [helper.make_tensor_value_info("score", TensorProto.FLOAT, ["N", 2])],
        [numpy_helper.from_array(w.astype(np.float32), "w"), numpy_helper.from_array(np.array([shift, 0], np.float32), "b")])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


class Prove(life_cycle.LifeCycle):
    def validate(self, *args):
        done = subprocess.run([life_cycle.SAHA, "validate", *map(str, args)], cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=300)
        return done.returncode, done.stdout, done.stderr

    def test_the_tutorial_runs_as_written(self):
        text = (ROOT / "docs" / "tutorial-prove.md").read_text()
        blocks = re.findall(r"```sh\n(.*?)```", text, re.S)
        self.assertGreaterEqual(len(blocks), 7)
        (self.folder / "examples").symlink_to(ROOT / "examples")
        script = "\n".join(blocks).replace("$PWD/build/release/src/cli/saha", life_cycle.SAHA).replace("$PWD/.venv/bin/python", sys.executable)
        done = subprocess.run(["bash", "-O", "expand_aliases", "-c", script], cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=500)
        out = done.stdout
        self.assertRegex(out, r"R1-accuracy +passed", out)
        self.assertRegex(out, r"R2-strained +VIOLATED +prove float32", out)
        self.assertIn("exit code 1", out)
        after = out[out.index("exit code 1"):]
        self.assertRegex(after, r"R2-strained +passed +prove float32", out)
        self.assertRegex(after, r"R3-quality +passed +prove float32", out)
        self.assertRegex(after, r"R2-strained.onnx,R2-strained.vnnlib,", out)
        self.assertIn("\nunsat\n", after)
        self.assertNotIn("error:", out)
        # The counterexample is one: by onnxruntime, where there is one, and by its row in the csv.
        with open(self.folder / "wear" / ".saha" / "evidence" / "R2-strained" / "witness.csv", newline="") as f:
            row = next(csv.DictReader(f))
        self.assertTrue(220 <= float(row["wear"]) <= 253 and 60 <= float(row["torque"]) and float(row["quality"]) in (0, 1, 2), row)
        sarif = json.loads((self.folder / "wear" / "proof.sarif").read_text())["runs"][0]
        proof = sarif["results"][1]["properties"]["proof"]
        self.assertEqual((proof["asked"], proof["proved"], proof["violated"]), (1, 1, 0))
        self.assertTrue(any(a["description"]["text"] == "repaired.onnx" for a in sarif["artifacts"]))

    def gray(self, radius, more=""):
        rng = np.random.default_rng(3)
        x = rng.integers(90, 110, (12, 4, 4)).astype(np.uint8)
        y = rng.integers(0, 2, 12)
        for picture, label in zip(x, y):
            picture[:, 2 * label: 2 * label + 2] += 20
        np.savez(self.folder / "gray.npz", x=x, y=y)
        onnx.save(pictures(), self.folder / "sides.onnx")
        onnx.save(pictures(0.01), self.folder / "shifted.onnx")
        (self.folder / "gray.req.yaml").write_text(f"""saha: 1
models: {{original: shifted.onnx}}
model:
  input: {{image: {{domain: [0, 255], unit: gray, preprocess: [{{scale: x/255}}]}}}}
  output: {{score: {{meaning: logits}}}}
  labels: [left, right]
data: {{test: gray.npz}}
requirements:
  - {{id: R-robust, for: {{data: test, where: correct}}, assert: "for all d in Linf(x, {radius} gray): argmax(score(d)) == label"}}
  - {{id: R-close, assert: "for all d in near(test, 1 %): maxabs(original.score(d) - candidate.score(d)) <= 0.0101"}}
{more}""")

    def test_pictures_are_proved_in_gray_levels_and_a_counterexample_has_whole_ones(self):
        self.gray(4)
        code, out, err = self.validate("sides.onnx", "--requirements", "gray.req.yaml")
        self.assertEqual(code, 0, out + err)
        self.assertRegex(out, r"R-robust +passed +prove float32 +12 of 12 proved, 0 violated")
        self.assertRegex(out, r"R-close +passed +prove float32 +12 of 12 proved, 0 violated")
        self.gray(15)
        code, out, err = self.validate("sides.onnx", "--requirements", "gray.req.yaml", "--only", "R-robust", "--json")
        self.assertEqual(code, 1, out + err)
        r = json.loads(out)["requirements"][0]
        self.assertEqual(r["verdict"], "violated")
        self.assertEqual(r["proof"]["violated"], 1)
        files = {pathlib.Path(f).name: self.folder / f for f in r["witness"]["files"]}
        self.assertEqual(sorted(files), ["witness.npy", "witness.png", "x.npy", "x.png"])
        d = np.load(files["witness.npy"]).ravel()
        self.assertTrue(np.all(d == np.round(d)) and d.min() >= 0 and d.max() <= 255)
        data = np.load(self.folder / "gray.npz")
        i = r["witness"]["sample"]
        self.assertLessEqual(np.abs(d - data["x"][i].ravel()).max(), 15)
        half = d.reshape(4, 4)[:, :2].sum() - d.reshape(4, 4)[:, 2:].sum()
        self.assertNotEqual(int(half < 0), data["y"][i])

    def test_queries_go_out_as_vnnlib_and_come_back(self):
        self.gray(4, '  - {id: R-odd, assert: "for all d in domain: conf(score(d)) >= 0"}\n')
        code, out, err = self.validate("sides.onnx", "--requirements", "gray.req.yaml", "--export", "queries")
        self.assertEqual((code, out), (0, "24 queries in queries\n"), err)
        self.assertIn("R-odd is not exported: 'conf(score(d))' cannot be proved", err)
        rows = [line.split(",") for line in (self.folder / "queries" / "instances.csv").read_text().splitlines()]
        self.assertEqual(len(rows), 24)
        self.assertEqual(len({network for network, _, _ in rows}), 2)   # one network, and two in one
        for network, prop, _ in (rows[0], rows[-1]):
            done = subprocess.run([life_cycle.SAHA, "verify", network, prop], cwd=self.folder / "queries", stdout=subprocess.PIPE, text=True, timeout=100)
            self.assertEqual(done.stdout.splitlines()[0], "unsat", prop)
        code, out, err = self.validate(f"queries/{rows[0][0]}", "--import", f"queries/{rows[0][1]}", "-o", "back.req.yaml")
        self.assertEqual(code, 0, err)
        code, out, err = self.validate(f"queries/{rows[0][0]}", "--requirements", "back.req.yaml")
        self.assertEqual(code, 0, out + err)
        self.assertRegex(out, r"passed +prove float32 +holds at every point")

    def test_a_candidate_whose_proof_fails_is_not_chosen_and_the_package_holds_the_evidence(self):
        requirement = 'saha: 1\nmodel: {{input: {{x: {{domain: [-1, 1]}}}}, output: {{z: {{meaning: logits}}}}}}\nrequirements:\n  - {{id: R1, assert: "for all d in domain: max(z(d)) <= {}"}}\n'
        graph = onnx.load(self.folder / "ready.onnx")
        del graph.graph.node[1:]
        graph.graph.output[0].name = "z"
        onnx.save(graph, self.folder / "ready.onnx")
        text = (self.folder / "saha.yaml").read_text().replace("p: {meaning: probabilities}", "z: {meaning: logits}")
        (self.folder / "saha.yaml").write_text(text)
        (self.folder / "points.req.yaml").write_text(requirement.format("4.001"))
        code, out, err = self.run_saha()
        self.assertEqual(code, 0, out + err)
        self.assertRegex(out, r"ok +prove/float32/native +\S+ s +1 passed")
        manifest = json.loads((self.folder / "report" / "package" / "server" / "manifest.json").read_text())
        proof = manifest["evidence"]["requirements"][0]["proof"]
        self.assertEqual((proof["arithmetic"], proof["proved"]), ("float32", 1))
        code, out, err = self.run_saha()
        self.assertRegex(out, r"cached +prove/float32/native")
        (self.folder / "points.req.yaml").write_text(requirement.format("3.9"))
        code, out, err = self.run_saha()
        self.assertEqual(code, 1, out + err)
        self.assertRegex(out, r"prove/float32/native +\S+ s +1 violated; R1: 4 > 3.9")
        self.assertEqual(self.decision(), [None])


if __name__ == "__main__":
    life_cycle.main()
