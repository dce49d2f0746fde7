"""Statistics with guarantees in a life cycle: sets beside the test set, conformal coverage, strange inputs, rejection up to the model that is delivered.

    statistics_test.py SAHA        the binary; needs numpy and onnx
"""
import json
import subprocess

import numpy as np
import onnx

import life_cycle
from life_cycle import points


class Statistics(life_cycle.LifeCycle):
    def setUp(self):
        super().setUp()
        rng = np.random.default_rng(9)
        for name, seed, n in (("test", 2, 600), ("calibration", 4, 300)):
            x, y = points(seed, n)
            flip = rng.random(n) < 1 / (1 + np.exp(2 * np.abs(x.sum(1))))   # the labels are as sure as the network says
            np.savez(self.folder / f"{name}.npz", x=x, y=np.where(flip, 1 - y, y))
        np.savez(self.folder / "strange.npz", x=(rng.standard_normal((400, 4)) * 0.02).astype(np.float32))
        self.cycle("{score: softmax, accept: 90 %}", "{strange: strange.npz}")

    def test_thresholds_of_one_set_are_judged_on_others_and_shipped(self):
        self.requirements(["coverage(test, conformal=calibration, level=90 %) >= 85 %", "set_size(test, conformal=calibration, level=90 %) <= 1.5",
                           "tpr(strange, score=entropy, fpr=10 %) >= 60 %", "auroc(test, strange, score=softmax) >= 80 %",
                           "rejected(strange) >= 60 % and rejected(test) <= 16 %", "selective_accuracy(test) >= 88 %", "for all x in strange: reject(x) => conf(p(x)) <= 80 %"])
        code, out, err = self.run_saha()
        self.assertEqual(code, 0, out + err)
        self.assertRegex(out, r"ok +validate/float32/native/strange .*400 samples run\n")
        self.assertRegex(out, r"ok +validate/original/native/calibration ")
        verdicts = {r["id"]: r for r in self.report()["candidates"][0]["requirements"]}
        self.assertEqual({v["verdict"] for v in verdicts.values()}, {"passed"}, verdicts)
        self.assertRegex(verdicts["R1"]["evidence"], r"coverage \d+ of 600 = .* from 300 of calibration, lower bound")
        manifest = json.loads((self.folder / "report" / "package" / "server" / "manifest.json").read_text())
        self.assertEqual(manifest["reject"]["calibrated"], {"data": "calibration", "samples": 300, "accept": 0.9})
        # The threshold is the 271st of 300 scores, by numpy.
        x = np.load(self.folder / "calibration.npz")["x"].sum(1)
        scores = np.sort(1 / (1 + np.exp(2 * np.abs(x))))
        self.assertAlmostEqual(manifest["reject"]["threshold"], scores[270], delta=1e-6)
        bundle = self.folder / "report" / "package" / "server" / "model.saha"
        for row, word in (([3, 3, 3, 3], "accepted"), ([0.01, 0, 0, 0], "rejected")):
            np.save(self.folder / "row.npy", np.array(row, np.float32))
            run = subprocess.run([life_cycle.SAHA, "infer", bundle, "row.npy"], cwd=self.folder, capture_output=True, text=True)
            self.assertIn(f"  {word}: softmax ", run.stdout, run.stderr)
            said = json.loads(subprocess.run([life_cycle.SAHA, "infer", bundle, "row.npy", "--json"], cwd=self.folder, capture_output=True, text=True).stdout)
            self.assertEqual(said["rejected"], word == "rejected")
        code, out, err = self.run_saha()
        self.assertRegex(out, r"cached +validate/float32/native/strange ")

    def test_faults_of_sets_are_exit_2(self):
        self.requirements(["coverage(test, conformal=test, level=90 %) >= 85 %", "tpr(strangr, score=softmax, fpr=1 %) >= 10 %"])
        self.cycle("{score: softmax, data: nowhere}", "{auc: test.npz}")
        code, out, err = self.run_saha()
        self.assertEqual(code, 2, out + err)
        for words in ("'auc' has a meaning already", "there is no data set 'nowhere'", "unknown data set 'strangr'", "which proves nothing"):
            self.assertIn(words, err)

    def cycle(self, reject, sets):
        (self.folder / "saha.yaml").write_text(f"saha: 1\nmodel: {{file: ready.onnx, output: {{p: {{meaning: probabilities}}}}, reject: {reject}}}\n"
                                               f"data: {{train: train.npz, test: test.npz, calibration: calibration.npz, sets: {sets}}}\nrequire: [points.req.yaml]\n"
                                               "targets: {server: {threads: 1, backends: [native]}}\npackage: {server: [saha, onnx]}\n")

    def requirements(self, assertions):
        lines = "".join(f'  - {{id: R{i}, assert: "{a}"}}\n' for i, a in enumerate(assertions, 1))
        (self.folder / "points.req.yaml").write_text("saha: 1\nrequirements:\n" + lines)


if __name__ == "__main__":
    life_cycle.main()
