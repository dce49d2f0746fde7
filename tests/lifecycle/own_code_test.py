"""The user's data cut in parts and the user's own metrics: data.split and evaluate of saha.yaml.

    own_code_test.py SAHA        the binary; needs numpy and onnx
"""
import json
import os
import re
import subprocess
import sys

import numpy as np

import life_cycle
from life_cycle import points


class OwnCode(life_cycle.LifeCycle):
    def test_a_split_keeps_shares_and_groups_and_the_training_sees_its_part_only(self):
        x, y = points(5, 200)
        np.savez(self.folder / "all.npz", x=x, y=y)
        (self.folder / "make.py").write_text("import shutil, sys, numpy\nn = len(numpy.load(sys.argv[1])['x'])\nprint('{\"rows\": %d}' % n)\nshutil.copy('ready.onnx', sys.argv[2])\n")
        self.own(f'data: {{train: all.npz, split: {{test: 20 %, val: 10 %, stratify: label, seed: 7}}}}\ntrain: {{command: "{sys.executable} make.py {{data.train}} {{model}}"}}\nrequire: ["accuracy(test) >= 80 %"]\n')
        text = (self.folder / "saha.yaml").read_text().replace("file: ready.onnx, ", "")
        (self.folder / "saha.yaml").write_text(text)
        code, out, err = self.run_saha()
        self.assertEqual(code, 0, out + err)
        self.assertRegex(out, r"ok +split +\S+ s +test (39|40|41), val (19|20|21), train 1\d\d\n")
        test, val, train = (int(n) for n in re.search(r"ok +split .*test (\d+), val (\d+), train (\d+)\n", out).groups())
        self.assertEqual(test + val + train, 200)
        self.assertRegex(out, rf"ok +data +.*test {test}; train {train}; val {val}; no leakage")
        self.assertRegex(out, rf"ok +train +.*rows {train}")
        shares = {name: dict(d["per_class"]) for name, d in self.report()["data"].items() if name != "leaks"}
        for label in ("0", "1"):
            self.assertAlmostEqual(shares["test"][label] / test, sum(y == int(label)) / 200, delta=0.03)
        code, out, err = self.run_saha()
        self.assertRegex(out, r"cached +split")
        # A csv: a group stays together, and the samples are the whole set's, each once.
        rows = [(f"{a:.6f}", f"{b:.6f}", f"site, {i // 10}", str(int(a + b > 0))) for i, (a, b, *_) in enumerate(points(6, 200)[0])]
        (self.folder / "all.csv").write_text("a,b,site,kind\n" + "".join(f'{a},{b},"{site}",{kind}\n' for a, b, site, kind in rows))
        self.own("data: {train: {csv: all.csv, features: [a, b], target: kind}, slices: [site], split: {test: 25 %, group: site}}\n")
        code, out, err = self.run_saha("--only", "data")
        self.assertEqual(code, 0, out + err)
        self.assertRegex(out, r"ok +split .*test 50, train 150\n")
        parts = {f.stem: f.read_text().splitlines() for f in (self.folder / ".saha" / "stages").glob("*/files/*.csv")}
        self.assertEqual(sorted(parts["test"][1:] + parts["train"][1:]), sorted((self.folder / "all.csv").read_text().splitlines()[1:]))
        sites = [{line.split('"')[1] for line in part[1:]} for part in parts.values()]
        self.assertFalse(sites[0] & sites[1])
        # A folder of classes becomes folders of links.
        for i in range(40):
            (self.folder / "pictures" / ("cat" if i % 4 else "dog")).mkdir(parents=True, exist_ok=True)
            np.save(self.folder / "pictures" / ("cat" if i % 4 else "dog") / f"{i}.npy", np.full(4, i, np.float32))
        self.own("data: {train: pictures, split: {test: 50 %, stratify: label}}\n")
        code, out, err = self.run_saha("--only", "data")
        self.assertEqual(code, 0, out + err)
        self.assertRegex(out, r"ok +split .*test 20, train 20\n")
        self.assertEqual(len(list((self.folder / ".saha" / "stages").glob("*/files/test/dog/*.npy"))), 5)

        # Arrays in files of their own become one file a part.
        np.save(self.folder / "x.npy", x)
        np.save(self.folder / "y.npy", y)
        self.own("data: {train: {npy: {x: x.npy, label: y.npy}}, split: {test: 25 %}}\n")
        code, out, err = self.run_saha("--only", "data", "--seed", "5")
        self.assertEqual(code, 0, out + err)
        self.assertIn("seed 5\n", out)
        self.assertRegex(out, r"ok +split .*test 50, train 150\n")
        parts = [np.load(f) for f in (self.folder / ".saha" / "stages").glob("*/files/test.npz")]
        self.assertIn({"x": (50, 4), "label": (50,)}, [{name: part[name].shape for name in part} for part in parts])

    def test_a_split_that_cannot_be_is_exit_2(self):
        self.own("data: {train: train.npz, test: test.npz, split: {test: 60 %, val: 40 %}}\n")
        code, out, err = self.run_saha()
        self.assertEqual(code, 2, out + err)
        self.assertIn("data.split makes 'test' and data.test names one", err)
        self.assertIn("leave nothing for 'train'", err)
        self.own("data: {split: {test: 60 %}}\n")
        code, out, err = self.run_saha()
        self.assertEqual(code, 2, out + err)
        self.assertIn("there is no data.train", err)

    def test_an_own_metric_is_judged_by_its_values_a_sample_and_computed_anew_when_its_file_changes(self):
        (self.folder / "metrics.py").write_text("def sure(outputs, labels):\n    p = outputs['p']\n    assert p.shape == (80, 2) and p.dtype == 'float32' and labels.dtype == 'int64', (p.shape, p.dtype, labels.dtype)\n"
                                                "    return p.argmax(1) == labels\n\ndef whole(outputs, labels):\n    return float((outputs['p'].argmax(1) == labels).mean())\n")
        (self.folder / "count.py").write_text("import json, sys, numpy\nprint('some noise')\nprint(json.dumps({'value': len(numpy.load(sys.argv[2])) + len(numpy.load(sys.argv[1])['p'])}))\n")
        self.own(f"""data: {{test: test.npz}}
evaluate:
  sure: {{python: "metrics:sure", unit: "%"}}
  whole: {{python: "metrics:whole", unit: "%"}}
  both: {{command: "{sys.executable} count.py {{outputs}} {{labels}}", better: lower}}
require: ["sure(test) >= 90 %", points.req.yaml]
""")
        (self.folder / "points.req.yaml").write_text('saha: 1\nrequirements:\n  - {id: W, assert: "whole(test) >= 90 %", level: test}\n  - {id: B, assert: "both(test) == 160", level: test}\n  - {id: bound, assert: "whole(test) >= 90 %", severity: info}\n')
        environment = dict(os.environ, PATH=os.path.dirname(sys.executable) + ":" + os.environ["PATH"])
        code, out, err = self.run_saha(env=environment)
        self.assertEqual(code, 0, out + err)
        self.assertRegex(out, r"ok +validate/float32/native .* 80 of 80 right .*; both 160; sure 100.0 %; whole 100.0 %|ok +validate/float32/native .*; sure 100.0 %; whole 100.0 %; both 160")
        verdicts = {r["id"]: (r["verdict"], r["evidence"]) for c in self.report()["candidates"] if c["chosen"] for r in c["requirements"]}
        self.assertEqual([verdicts[k][0] for k in ("R1", "W", "B")], ["passed"] * 3, verdicts)
        self.assertEqual(verdicts["bound"][0], "inconclusive", verdicts)
        self.assertIn("one number for the whole set", verdicts["bound"][1])
        self.assertIn("Own metrics on the test set", (self.folder / "report" / "index.html").read_text())
        code, out, err = self.run_saha(env=environment)
        self.assertRegex(out, r"cached +validate/float32/native .*sure 100.0 %")
        (self.folder / "metrics.py").write_text("def sure(outputs, labels):\n    return [0.0] * 79\n\ndef whole(outputs, labels):\n    raise ValueError('no such thing')\n")
        code, out, err = self.run_saha("--why", "validate/float32/native", env=environment)
        self.assertRegex(out, r"the content of metrics\.sure\.files\.metrics\.py changed")
        code, out, err = self.run_saha(env=environment)
        self.assertEqual(code, 1, out + err)
        self.assertIn("evaluate.sure: it gave 79 values for 80 samples", self.one_sentence(err))
        (self.folder / "metrics.py").write_text("def sure(outputs, labels):\n    return 1\n\ndef whole(outputs, labels):\n    raise ValueError('no such thing')\n")
        code, out, err = self.run_saha(env=environment)
        self.assertIn("evaluate.whole ended with exit code 1; its last line: ValueError: no such thing", self.one_sentence(err))

    def test_an_own_metric_stands_beside_the_file_that_states_it(self):
        (self.folder / "metrics.py").write_text("def whole(outputs, labels):\n    return float((outputs['p'].argmax(1) == labels).mean())\n")
        self.own('data: {test: test.npz}\nevaluate: {whole: {python: "metrics:whole", unit: "%"}}\nrequire: ["whole(test) >= 90 %"]\n')
        (self.folder / "requirements").mkdir()
        (self.folder / "requirements" / "points.req.yaml").write_text('saha: 1\nrequirements:\n  - {id: W, assert: "whole(test) >= 90 %", level: test}\n')
        environment = dict(os.environ, PATH=os.path.dirname(sys.executable) + ":" + os.environ["PATH"])
        done = subprocess.run([life_cycle.SAHA, "validate", "ready.onnx", "--requirements", "requirements/points.req.yaml", "--data", "saha.yaml"], cwd=self.folder, env=environment,
                              capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertRegex(done.stdout, r"W +passed")

    def test_an_own_metric_with_a_wrong_name_or_module_is_exit_2(self):
        self.own('data: {test: test.npz}\nevaluate: {accuracy: {python: "metrics:f"}, a-b: {command: "true"}, c: {python: "metrics", command: "true"}}\n')
        code, out, err = self.run_saha()
        self.assertEqual(code, 2, out + err)
        self.assertRegex(err, "takes only one of 'python' and 'command'")
        self.own('data: {test: test.npz}\nevaluate: {accuracy: {python: "metrics:f"}, a-b: {command: "true"}, c: {python: "metrics"}}\n')
        code, out, err = self.run_saha()
        self.assertEqual(code, 2, out + err)
        for message in ("requirements know 'accuracy' already", "there is no 'metrics.py'", "'a-b' cannot stand in a requirement", "'metrics' is not module:function"):
            self.assertIn(message, err)


if __name__ == "__main__":
    life_cycle.main()
