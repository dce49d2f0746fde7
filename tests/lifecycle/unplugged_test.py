"""A life cycle that is killed, doubled, starved and misled: what was finished is kept, what was begun leaves nothing, each fault is a sentence.

    unplugged_test.py SAHA        the binary; needs numpy and onnx
"""
import json
import os
import pathlib
import re
import resource
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


if __name__ == "__main__":
    SAHA = os.path.abspath(sys.argv.pop(1))
    unittest.main(verbosity=1)
