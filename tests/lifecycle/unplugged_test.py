"""A life cycle that is killed, doubled, starved and misled: what was finished is kept, what was begun leaves nothing, each fault is a sentence.

    unplugged_test.py SAHA        the binary; needs numpy and onnx
"""
import json
import os
import pathlib
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SAHA = ""
CONFIG = """saha: 1
name: points
model:
  output: {{p: {{meaning: probabilities}}}}
  labels: [below, above]
data: {{train: train.npz, test: test.npz}}
train: {{command: "{python} make.py {{model}}", env: [PATH]}}
require: [points.req.yaml]
targets: {{server: {{target: host, threads: 1, backends: [native]}}}}
"""


def points(seed, n=80):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, 4)).astype(np.float32)
    return x, (x.sum(1) > 0).astype(np.int64)


def model():
    weights = np.stack([-np.ones(4), np.ones(4)], 1).astype(np.float32)
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["z"], "dense"), helper.make_node("Softmax", ["z"], ["p"], "softmax")], "points",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 4])], [helper.make_tensor_value_info("p", TensorProto.FLOAT, ["N", 2])],
        [numpy_helper.from_array(weights, "w")])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


class Unplugged(unittest.TestCase):
    def setUp(self):
        self.kept = tempfile.TemporaryDirectory()
        self.folder = pathlib.Path(self.kept.name)
        for name, seed in (("train", 1), ("test", 2)):
            x, y = points(seed)
            np.savez(self.folder / f"{name}.npz", x=x, y=y)
        onnx.save(model(), self.folder / "ready.onnx")
        # The training: it takes as long as the file "pause" says.
        (self.folder / "make.py").write_text("import os, shutil, sys, time\ntime.sleep(float(open('pause').read()) if os.path.exists('pause') else 0)\n"
                                             "shutil.copy(os.path.join(os.path.dirname(os.path.abspath(__file__)), 'ready.onnx'), sys.argv[1])\n")
        self.config()

    def tearDown(self):
        self.kept.cleanup()

    def config(self, accuracy=90):
        (self.folder / "saha.yaml").write_text(CONFIG.format(python=sys.executable))
        (self.folder / "points.req.yaml").write_text(f'saha: 1\nrequirements:\n  - {{id: R1, assert: "accuracy(test) >= {accuracy} %"}}\n')

    def start(self, *more, **how):
        return subprocess.Popen([SAHA, "run", "saha.yaml", "--quick", *more], cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **how)

    def run_saha(self, *more, **how):
        process = self.start(*more, **how)
        out, err = process.communicate(timeout=120)
        return process.returncode, out, err

    def decision(self):
        return [d["chosen"] for d in json.loads((self.folder / "report" / "report.json").read_text())["decisions"]]

    def leftovers(self):
        return [str(p) for p in self.folder.rglob("*.saha-tmp*")]

    def one_sentence(self, err):
        lines = [line for line in err.splitlines() if line.startswith("error: ")]
        self.assertEqual(len(lines), 1, err)
        return lines[0]

    def test_a_killed_run_goes_on_where_it_was(self):
        process = self.start()
        for line in process.stdout:
            if re.match(r"\s+ok\s+train", line):
                break
        else:
            self.fail(process.stderr.read())
        process.kill()
        process.communicate()
        self.assertEqual(process.returncode, -signal.SIGKILL)
        self.assertFalse((self.folder / "report" / "report.json").exists())
        code, out, err = self.run_saha()
        self.assertEqual(code, 0, out + err)
        self.assertRegex(out, r"cached\s+train")
        first = self.decision()
        code, out, err = self.run_saha()
        self.assertEqual(code, 0, out + err)
        self.assertRegex(out, r"cached\s+train")
        self.assertNotRegex(out, r"(?m)^\s+ok\s+(train|simplify|measure)")
        self.assertTrue(first and all(first))
        self.assertEqual(self.decision(), first)

    def test_two_runs_at_once_go_one_after_the_other(self):
        (self.folder / "pause").write_text("2")
        self.config()
        first = self.start()
        deadline = time.time() + 20
        while not list((self.folder / ".saha").glob("*")) and time.time() < deadline:
            time.sleep(0.02)
        code, out, err = self.run_saha()
        self.assertEqual(code, 0, out + err)
        self.assertRegex(out, rf"process {first.pid} runs in .*; this run waits for it")
        self.assertRegex(out, r"cached\s+train")
        first.communicate(timeout=60)
        self.assertEqual(first.returncode, 0)

    def test_a_full_disk_is_one_sentence_and_leaves_nothing_half(self):
        # No file may grow beyond 2 KiB: what write(2) says is EFBIG, as it would be ENOSPC.
        def full():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (2048, 2048))
        code, out, err = self.run_saha(preexec_fn=full)
        self.assertEqual(code, 1, out + err)
        self.one_sentence(err)
        self.assertEqual(self.leftovers(), [])
        code, out, err = self.run_saha()
        self.assertEqual(code, 0, out + err)

    def test_a_folder_that_cannot_be_made_is_named(self):
        (self.folder / ".saha").write_text("a file where the folder should be")
        code, out, err = self.run_saha()
        self.assertEqual(code, 1, out + err)
        self.assertIn(".saha", self.one_sentence(err))
        self.assertFalse((self.folder / "report").exists())

    def test_a_changed_requirement_changes_the_decision(self):
        code, out, err = self.run_saha()
        self.assertEqual(code, 0, out + err)
        # With every fourth label wrong, 90 % is out of reach and 60 % is not.
        x, y = points(2)
        y[::4] = 1 - y[::4]
        np.savez(self.folder / "test.npz", x=x, y=y)
        code, out, err = self.run_saha()
        self.assertEqual(code, 1, out + err)
        self.assertRegex(out, r"cached\s+train")
        self.config(accuracy=60)
        code, out, err = self.run_saha()
        self.assertEqual(code, 0, out + err)
        self.assertRegex(out, r"cached\s+train")

    def test_samples_of_both_train_and_test_fail(self):
        x, y = points(1)
        np.savez(self.folder / "test.npz", x=x, y=y)
        code, out, err = self.run_saha()
        self.assertNotEqual(code, 0, out + err)
        self.assertRegex(out + err, r"80\b.*(train|test)")

    def test_a_wrong_file_is_exit_2_with_line_and_column(self):
        text = (self.folder / "saha.yaml").read_text()
        (self.folder / "saha.yaml").write_text(text.replace("threads: 1", "threads: many"))
        code, out, err = self.run_saha()
        self.assertEqual(code, 2, out + err)
        line = next(i for i, t in enumerate(text.splitlines(), 1) if "threads" in t)
        self.assertRegex(err, rf"saha\.yaml:{line}:\d+")
        self.assertFalse((self.folder / ".saha").exists())

    def plan(self, *more):
        code, out, err = self.run_saha("--dry-run", "--json", *more)
        self.assertEqual(code, 0, out + err)
        return {s["name"]: s for s in json.loads(out)["stages"]}

    def test_a_plan_says_what_would_happen_and_does_nothing(self):
        plan = self.plan()
        self.assertFalse((self.folder / ".saha").exists())
        self.assertEqual(plan["train"]["state"], "make")
        self.assertEqual(plan["train"]["why"], "it was not made here yet")
        self.assertEqual((plan["simplify"]["state"], plan["simplify"]["why"]), ("wait", "needs train"))
        self.assertEqual(self.run_saha()[0], 0)
        before = sorted(p.relative_to(self.folder) for p in self.folder.rglob("*"))
        plan = self.plan()
        self.assertEqual({s["state"] for s in plan.values()}, {"cached", "always"})
        self.assertGreater(plan["train"]["last_seconds"], 0)
        code, out, err = self.run_saha("--list")
        self.assertRegex(out, r"(?m)^validate\n  original/native +cached\n  float32/native +cached\nmeasure\n  server +cached")
        # A changed test set: what saw it is made anew, what did not is not.
        x, y = points(3)
        np.savez(self.folder / "test.npz", x=x, y=y)
        plan = self.plan()
        made = {name for name, s in plan.items() if s["state"] in ("make", "wait")}
        self.assertEqual(made, {"data", "validate/original/native", "validate/float32/native", "measure/server", "choose/server", "package/server"})
        code, out, err = self.run_saha("--why", "measure/server")
        self.assertEqual(code, 0, out + err)
        self.assertRegex(out, r"^measure/server: would be made: the content of test changed \([0-9a-f]{8} -> [0-9a-f]{8}\)\n$")
        code, out, err = self.run_saha("--why", "package")
        self.assertRegex(out, r"(?s)package/server: needs choose/server\n  choose/server: needs validate/original/native\n  validate/original/native would be made: the content of test")
        code, out, err = self.run_saha("--dry-run")
        self.assertRegex(out, r"make +measure/server +\S+ s last time +the content of test")
        self.assertRegex(out, r"6 stages would be made, in (about|more than) .*; nothing was run")
        self.assertEqual(sorted(p.relative_to(self.folder) for p in self.folder.rglob("*")), before)
        self.assertEqual(self.plan("--from", "simplify")["simplify"]["why"], "asked for anew")
        self.assertEqual(self.plan("--from", "simplify")["train"]["state"], "cached")

    def test_files_extend_each_other_and_paths_are_relative_to_the_file_they_stand_in(self):
        (self.folder / "shared").mkdir()
        for name in ("ready.onnx", "train.npz", "test.npz"):
            shutil.move(self.folder / name, self.folder / "shared" / name)
        (self.folder / "shared" / "base.yaml").write_text("saha: 1\nname: base\nmodel: {file: ready.onnx}\ndata: {train: train.npz, test: test.npz}\nrun: {seed: 3}\n")
        (self.folder / "saha.yaml").write_text("saha: 1\nextends: [shared/base.yaml]\nname: points\ndata: {train: null}\ntargets: {server: {threads: 1, backends: [native]}}\n")
        (self.folder / "last.yaml").write_text("run: {seed: 4}\n")
        code, out, err = self.run_saha("last.yaml", "--print-config", "-s", "targets.server.threads=2")
        self.assertEqual(code, 0, out + err)
        for line in (r"name +points +saha\.yaml:3", r"model\.file +ready\.onnx +shared/base\.yaml:3", r"run\.seed +4 +last\.yaml:1", r"run\.dir +\.saha +default",
                     r"choose\.minimize +p90\(latency\) +default", r"targets\.server\.threads +2 +-s targets\.server\.threads=2"):
            self.assertRegex(out, "(?m)^" + line + "$")
        self.assertNotIn("data.train", out)
        code, out, err = self.run_saha("--only", "data")
        self.assertEqual(code, 0, out + err)
        self.assertRegex(out, r"ok +data .* test 80")
        self.assertTrue((self.folder / ".saha").exists())
        (self.folder / "shared" / "base.yaml").write_text("saha: 1\nextends: [../saha.yaml]\n")
        code, out, err = self.run_saha()
        self.assertEqual(code, 2, out + err)
        self.assertIn("extends itself", err)

    def test_only_makes_a_stage_and_what_it_needs_and_force_makes_just_that_one_anew(self):
        code, out, err = self.run_saha("--only", "simplify")
        self.assertEqual(code, 0, out + err)
        self.assertRegex(out, r"ok +simplify")
        self.assertNotRegex(out, r"validate|measure|report")
        code, out, err = self.run_saha("--only", "simplify", "--force")
        self.assertRegex(out, r"cached +train[^\n]*\n +ok +simplify")
        code, out, err = self.run_saha("--only", "simplfy")
        self.assertEqual(code, 2, out + err)
        self.assertEqual(self.one_sentence(err), "error: there is no stage 'simplfy'")
        self.assertIn("simplify, validate/original/native", err)

    def test_keep_going_ends_only_what_needs_the_stage_that_failed(self):
        (self.folder / "make.py").write_text("import sys\nprint('no disk'); sys.exit(4)\n")
        code, out, err = self.run_saha()
        self.assertEqual(code, 1, out + err)
        self.assertFalse((self.folder / "report").exists())
        code, out, err = self.run_saha("--keep-going")
        self.assertEqual(code, 1, out + err)
        self.assertRegex(out, r"FAIL +train .*exit code 4; its last line: no disk")
        self.assertRegex(out, r"skip +simplify +- +needs train")
        self.assertRegex(out, r"skip +choose/server +- +needs ")
        stages = {s["name"]: s["status"] for s in json.loads((self.folder / "report" / "report.json").read_text())["stages"]}
        self.assertEqual((stages["data"], stages["train"], stages["report"]), ("cached", "FAIL", "ok"))

    def test_c_goes_to_a_folder_first_and_clean_takes_an_age(self):
        def away(*words):
            done = subprocess.run([SAHA, "run", *words], cwd="/", capture_output=True, text=True)
            return done.returncode, done.stdout, done.stderr
        code, out, err = away("-C", str(self.folder), "saha.yaml", "--only", "data")
        self.assertEqual(code, 0, out + err)
        self.assertTrue((self.folder / ".saha").exists())
        code, out, err = away("-C", "/nowhere")
        self.assertEqual(code, 2, out + err)
        self.assertIn("-C is '/nowhere'", self.one_sentence(err))
        code, out, err = away("-C", str(self.folder), "--clean", "30")
        self.assertEqual(code, 2, out + err)
        self.assertIn("--clean: ", self.one_sentence(err))
        kept = lambda: len(list((self.folder / ".saha" / "stages").glob("*")))
        self.assertEqual((away("-C", str(self.folder), "--clean", "1d")[0], kept()), (0, 1))
        self.assertEqual((away("-C", str(self.folder), "--clean", "0 s")[0], kept()), (0, 0))
        self.assertRegex(away("-C", str(self.folder), "--why", "data")[1], "its result is no longer kept")


if __name__ == "__main__":
    SAHA = os.path.abspath(sys.argv.pop(1))
    unittest.main(verbosity=1)
