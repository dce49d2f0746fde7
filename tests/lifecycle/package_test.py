"""What is delivered: as which files, and with preprocessing as part of the model.

    package_test.py SAHA        the binary; needs numpy and onnx
"""
import json
import subprocess

import numpy as np
import onnx

import life_cycle


class Package(life_cycle.LifeCycle):
    def deliver(self, package):
        self.config(accuracy=70)
        text = (self.folder / "saha.yaml").read_text()
        steps = "  input: {x: {preprocess: [{normalize: {mean: [0, 0.1, 0, -0.1], std: [1, 1, 2, 1]}}]}}\n"
        (self.folder / "saha.yaml").write_text(text.replace("model:\n", "model:\n" + steps) + package)

    def values(self, model, *more):
        r = subprocess.run([life_cycle.SAHA, "infer", model, "-i", "x.npy", "--json", *more], cwd=self.folder, capture_output=True, text=True)
        self.assertEqual(r.returncode, 0, r.stderr)
        return json.loads(r.stdout)["outputs"][0]["values"]

    def test_folded_preprocessing_is_in_both_files_and_in_no_manifest(self):
        self.deliver("package: {server: {as: [onnx, saha], fold: true}}\n")
        code, out, err = self.run_saha()
        self.assertEqual(code, 0, out + err)
        place = self.folder / "report" / "package" / "server"
        manifest = json.loads((place / "manifest.json").read_text())
        self.assertEqual(manifest["preprocess"], {"x": []})
        self.assertEqual(manifest["folded"]["steps"]["x"], [{"step": "normalize", "folded": True, "what": "Sub, Div"}])
        self.assertNotEqual(manifest["sha256"], manifest["folded"]["from"])
        self.assertEqual([n.op_type for n in onnx.load(place / "model.onnx").graph.node][:2], ["Sub", "Div"])
        x = np.array([0.3, -1, 2, 0.25], np.float32)
        np.save(self.folder / "x.npy", x)
        want = self.values("ready.onnx", "--preprocess", '[{"normalize": {"mean": [0, 0.1, 0, -0.1], "std": [1, 1, 2, 1]}}]')
        for file in ("model.onnx", "model.saha"):
            np.testing.assert_allclose(self.values(str(place / file)), want, rtol=1e-6)
        # The file is judged by the life cycle's own words, whose steps it has taken in.
        r = subprocess.run([life_cycle.SAHA, "validate", str(place / "model.onnx"), "--requirements", "points.req.yaml", "--data", "saha.yaml", "--json"], cwd=self.folder, capture_output=True, text=True)
        self.assertEqual(r.returncode, 0, r.stdout + r.stderr)
        self.assertRegex(self.run_saha()[1], r"cached +package/server")

    def test_faults_are_told_with_their_place(self):
        for text, says in (("package: {server: []}", "names nothing to deliver"), ("package: {server: {fold: true, raw: big}}", "'big' is no raw sample"),
                           ("package: {server: {raw: 4x4}}", "nothing is folded"), ("package: {server: {as: [tar]}}", "tar"), ("package: {other: {fold: true}}", "there is no target 'other'")):
            self.deliver(text + "\n")
            code, out, err = self.run_saha()
            self.assertEqual(code, 2, text + out + err)
            self.assertIn(says, err)


if __name__ == "__main__":
    life_cycle.main()
