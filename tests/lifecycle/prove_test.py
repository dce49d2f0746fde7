"""The level prove from the command line: docs/tutorial-prove.md as written, pictures in gray levels, two networks, and proofs in a life cycle.

    prove_test.py SAHA        the binary; needs numpy and onnx
"""
import csv
import hashlib
import json
import pathlib
import re
import shutil
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
        self.assertGreaterEqual(len(blocks), 8)
        (self.folder / "examples").symlink_to(ROOT / "examples")
        script = "\n".join(blocks).replace("$PWD/build/release/src/cli", str(pathlib.Path(life_cycle.SAHA).parent)).replace("$PWD/.venv/bin", str(pathlib.Path(sys.executable).parent))
        done = subprocess.run(["bash", "-c", script], cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=500)
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
        self.assertRegex(after, r"decision  server: ")
        self.assertIn("\nvalid\nR2-strained  passed: ", after)
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
        self.gray(4, '  - {id: R-odd, assert: "for all d in domain: max(score(d)) * max(score(d)) >= 0"}\n')
        code, out, err = self.validate("sides.onnx", "--requirements", "gray.req.yaml", "--export", "queries")
        self.assertEqual((code, out), (0, "24 queries in queries\n"), err)
        self.assertIn("R-odd is not exported: ", err)
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

    def check_proof(self, *args):
        done = subprocess.run([life_cycle.SAHA, "check-proof", *map(str, args)], cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=120)
        return done.returncode, done.stdout, done.stderr

    def three_kinds(self, limit):
        """float32 and int8, of which only float32 keeps within `limit` over the whole domain."""
        weights = np.array([[1.001, -1.0], [1.003, 0.5], [0, 0], [0, 0]], np.float32)
        graph = helper.make_graph(
            [helper.make_node("MatMul", ["x", "w"], ["h"], "dense"), helper.make_node("Relu", ["h"], ["r"]), helper.make_node("Gemm", ["r", "v", "b"], ["z"], "head")], "points",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 4])], [helper.make_tensor_value_info("z", TensorProto.FLOAT, ["N", 2])],
            [numpy_helper.from_array(weights, "w"), numpy_helper.from_array(np.array([[1, -1], [-1, 1]], np.float32), "v"), numpy_helper.from_array(np.array([0, 0.1], np.float32), "b")])
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), self.folder / "ready.onnx")
        x = np.random.default_rng(3).uniform(-1, 1, (80, 4)).astype(np.float32)
        h = np.maximum(x @ weights, 0)
        np.savez(self.folder / "test.npz", x=x, y=np.argmax(h @ np.array([[1, -1], [-1, 1]], np.float32) + [0, 0.1], 1))
        text = (self.folder / "saha.yaml").read_text().replace("p: {meaning: probabilities}", "z: {meaning: logits}")
        (self.folder / "saha.yaml").write_text(text + "compress: {int8: [{quantize: {to: int8}}]}\npackage: {server: [onnx, saha]}\n")
        (self.folder / "points.req.yaml").write_text(f"""saha: 1
model: {{input: {{x: {{domain: [-1, 1]}}}}, output: {{z: {{meaning: logits}}}}}}
requirements:
  - {{id: R1-right, assert: "accuracy(test) >= 80 %"}}
  - {{id: R2-close, assert: "for all d in domain: maxabs(original.z(d) - candidate.z(d)) <= {limit}", timeout: 20 s}}
  - {{id: R3-robust, for: {{data: test, take: 6, where: correct}}, assert: "for all d in Linf(x, 0.0001): argmax(z(d)) == label", severity: should, timeout: 20 s}}
  - {{id: R4-low, assert: "for all d in domain: max(z(d)) <= 1", severity: should}}
""")

    def test_a_candidate_that_violates_is_never_chosen_and_the_bundle_shows_why_the_other_was(self):
        self.three_kinds(0.001)
        code, out, err = self.run_saha()
        self.assertEqual(code, 0, out + err)
        self.assertRegex(out, r"prove/int8/native +\S+ s +.*violated; R2-close: ")
        self.assertEqual(self.decision(), ["float32/native"])
        others = {o["id"]: o["why"] for o in self.report()["decisions"][0]["others"]}
        self.assertRegex(others["int8/native"], r"^R2-close is violated: .* > 0.001")
        self.assertIn("R2-close is violated", (self.folder / "report" / "index.html").read_text())
        place = self.folder / "report" / "package" / "server"
        manifest = json.loads((place / "manifest.json").read_text())
        verdicts = {r["id"]: r["verdict"] for r in manifest["evidence"]["requirements"]}
        self.assertEqual(verdicts, {"R1-right": "passed", "R2-close": "passed", "R3-robust": "passed", "R4-low": "violated"})
        sha = lambda file: hashlib.sha256(file.read_bytes()).hexdigest()
        self.assertEqual(manifest["sha256"], sha(place / "model.onnx"))
        self.assertEqual(manifest["requirements"]["points.req.yaml"], sha(self.folder / "points.req.yaml"))
        self.assertEqual(manifest["tool"]["program_sha256"], sha(pathlib.Path(life_cycle.SAHA)))
        self.assertEqual(set(manifest["data"]), {"train", "test"})
        self.assertEqual(manifest["proofs"]["sha256"], sha(place / manifest["proofs"]["file"]))
        self.assertNotIn('"png"', (place / "manifest.json").read_text())

        # Judged again from the bundle alone: all else is gone.
        kept = {name: (place / name).read_bytes() for name in ("model.saha", "model.onnx", "proofs.saha-proofs")}
        for entry in list(self.folder.iterdir()):
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
        for name, content in kept.items():
            (self.folder / name).write_bytes(content)
        code, out, err = self.check_proof("model.saha")
        self.assertEqual((code, out), (0, "valid\nR2-close  passed: 1 certificate\nR3-robust  passed: 6 certificates\nR4-low  violated: 0 certificates, 1 counterexample\n"), err)
        self.assertEqual(self.check_proof("proofs.saha-proofs", "model.onnx")[:2], (code, out))
        again = json.loads(self.check_proof("model.saha", "--json")[1])
        self.assertTrue(again["valid"])
        # Another model, other proofs, a flipped byte: none of it passes.
        other = onnx.load_from_string(kept["model.onnx"])
        for tensor in other.graph.initializer:
            if tensor.data_type == TensorProto.FLOAT and len(tensor.dims) == 2:
                tensor.CopyFrom(numpy_helper.from_array(np.float32(3) * numpy_helper.to_array(tensor), tensor.name))
        onnx.save(other, self.folder / "other.onnx")
        code, out, err = self.check_proof("proofs.saha-proofs", "other.onnx")
        self.assertNotEqual(code, 0, out)
        self.assertFalse(out.startswith("valid"), out)
        rng = np.random.default_rng(0)
        for place in rng.integers(0, len(kept["proofs.saha-proofs"]), 12):
            damaged = bytearray(kept["proofs.saha-proofs"])
            damaged[place] ^= 1 << int(rng.integers(0, 8))
            (self.folder / "damaged.saha-proofs").write_bytes(damaged)
            self.assertIn(self.check_proof("damaged.saha-proofs", "model.onnx")[0], (0, 1, 2, 3))
        bundle = bytearray(kept["model.saha"])
        bundle[bundle.index(b"saha-proofs") + 40] ^= 1
        (self.folder / "damaged.saha").write_bytes(bundle)
        code, out, err = self.check_proof("damaged.saha")
        self.assertEqual(code, 2, out + err)
        self.assertIn("checksum", err)

    def test_nothing_is_chosen_where_every_candidate_violates(self):
        self.three_kinds(0.001)
        text = (self.folder / "points.req.yaml").read_text()
        (self.folder / "points.req.yaml").write_text(text.replace("max(z(d)) <= 1\", severity: should", "max(z(d)) <= 1\""))
        code, out, err = self.run_saha()
        self.assertEqual(code, 1, out + err)
        self.assertEqual(self.decision(), [None])
        self.assertFalse((self.folder / "report" / "package").exists())

    def test_models_of_the_file_are_run_where_a_figure_or_a_sample_asks_for_them(self):
        self.gray(4, '''  - {id: R-than, assert: "accuracy(test) >= original.accuracy(test) - 30 pp"}
  - {id: R-own, models: [original], assert: "accuracy(test) >= 50 %"}
  - {id: R-near, for: {data: test}, level: test, assert: "maxabs(original.score(x) - candidate.score(x)) <= 0.0101"}
  - {id: R-tried, for: {data: test}, level: test(50), assert: "for all d in Linf(x, 2 gray): maxabs(original.score(d) - candidate.score(d)) <= 0.0101"}
''')
        code, out, err = self.validate("sides.onnx", "--requirements", "gray.req.yaml", "--json")
        found = {r["id"]: r["verdict"] for r in json.loads(out)["requirements"]}
        self.assertEqual(found, {"R-robust": "passed", "R-close": "passed", "R-than": "passed", "R-own": "passed", "R-near": "passed", "R-tried": "passed"}, out + err)
        (self.folder / "shifted.onnx").unlink()
        code, out, err = self.validate("sides.onnx", "--requirements", "gray.req.yaml", "--lint")
        self.assertEqual(code, 2)
        self.assertRegex(err, r"gray.req.yaml:2:20: model 'original': there is no file 'shifted.onnx'")

    def test_numbers_in_units_are_compared_in_them(self):
        weights = helper.make_graph([helper.make_node("MatMul", ["x", "w"], ["y"])], "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 2])],
                                    [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 1])], [numpy_helper.from_array(np.array([[1], [0]], np.float32), "w")])
        onnx.save(helper.make_model(weights, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), self.folder / "feet.onnx")
        (self.folder / "feet.csv").write_text("height,age,target\n" + "".join(f"{h},{30 + h},{h + 2}\n" for h in range(1, 41)))
        (self.folder / "feet.req.yaml").write_text("""saha: 1
units: {span: 9 inch, hand: 4 inch, pace: 2 stride}
model:
  input: {x: {fields: {height: {index: 0, unit: ft, domain: [0, 50]}, age: {index: 1, unit: min, domain: [0, 100]}}}}
  output: {y: {meaning: value, unit: ft}}
data: {test: {csv: feet.csv, features: [height, age], target: target}, slices: [age]}
requirements:
  - {id: mae, assert: "mae(test) <= 0.7 m"}
  - {id: mae-tight, assert: "mae(test) <= 0.6 m"}
  - {id: output, for: {data: test}, level: test, assert: "max(y(x)) <= 12.2 m"}
  - {id: output-tight, for: {data: test}, level: test, assert: "max(y(x)) <= 12 m"}
  - {id: field, for: {data: test}, level: test, assert: "x.height <= 24 inch => max(y(x)) <= 2 ft"}
  - {id: column, for: {data: test, where: "age <= 0.6 h"}, level: test, assert: "max(y(x)) <= 24 span"}
  - {id: proof, assert: "for all d in domain: d.height <= 1 m => max(y(d)) <= 1.01 m"}
""".replace(", pace: 2 stride", ""))
        code, out, err = self.validate("feet.onnx", "--requirements", "feet.req.yaml", "--json")
        found = {r["id"]: (r["verdict"], r["evidence"]) for r in json.loads(out)["requirements"]}
        for name, verdict in (("mae", "passed"), ("mae-tight", "violated"), ("output", "passed"), ("output-tight", "violated"), ("field", "passed"), ("column", "passed"), ("proof", "passed")):
            self.assertEqual(found[name][0], verdict, f"{name}: {found[name][1]}\n{err}")
        self.assertIn("2 ft over 40", found["mae"][1])
        self.assertIn("40 ft > 12 m", found["output-tight"][1])


if __name__ == "__main__":
    life_cycle.main()
