"""The small life cycle that the tests of this folder run: two classes of points, a network that tells them apart, a training that copies it."""
import json
import os
import pathlib
import subprocess
import sys
import tempfile
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


class LifeCycle(unittest.TestCase):
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

    def own(self, config):
        (self.folder / "saha.yaml").write_text("saha: 1\nmodel: {file: ready.onnx, output: {p: {meaning: probabilities}}}\ntargets: {server: {threads: 1, backends: [native]}}\n" + config)

    def report(self):
        return json.loads((self.folder / "report" / "report.json").read_text())


def main():
    global SAHA
    SAHA = os.path.abspath(sys.argv.pop(1))
    unittest.main(verbosity=1)
