#!/usr/bin/env python3
"""Nodes and time of saha simplify beside onnxsim and onnxslim, model by model; nodes count sub-graphs and function bodies.

  pip install onnxsim==0.8.1 onnxslim==0.1.98 onnxruntime
  tools/compare_simplifiers.py build/release/src/cli/saha [--time] MODEL.onnx...

A peer's result that needs a domain or an opset that the model does not have bears a * and is not compared: saha brings none unless --fuse
allows a newer opset, whose count stands beside it. Times are each tool's own, without
its check: saha's from --json, the others' around their call. --time adds the processor time of a run of the result in onnxruntime,
one thread, by turns with the original, divided by the original's (least of 8 s). The last line is `N passed, N failed`: failed is a model
with more nodes than the better peer, or a larger file.
"""
import contextlib
import io
import json
import os
import subprocess
import sys
import tempfile
import time

import onnx


def count(graph):
    n = len(graph.node)
    for node in graph.node:
        for a in node.attribute:
            if a.HasField("g"):
                n += count(a.g)
            n += sum(count(g) for g in a.graphs)
    return n


def nodes(model):
    # A Constant node holds what an initialiser holds; it is counted by neither side.
    return count(model.graph) + sum(len(f.node) for f in model.functions)


def opsets(model):
    return {o.domain or "": o.version for o in model.opset_import}


class Peer:
    """Nodes and seconds of another tool on a model; where it fails, the error's name instead of nodes."""

    def __init__(self, simplify, path):
        self.nodes, self.ms, self.foreign = None, "-", False
        try:
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                start = time.perf_counter()
                model = simplify(path)
                self.ms = f"{(time.perf_counter() - start) * 1e3:.0f}"
            self.nodes, given = nodes(model), opsets(onnx.load(path, load_external_data=False))
            used = {n.domain for n in model.graph.node}
            self.foreign = any(d not in given for d in used) or any(v > given.get(d, v) for d, v in opsets(model).items())
            self.text = f"{self.nodes}{'*' if self.foreign else ''}"
        except BaseException as e:  # a tool that fails on a model is a line of the table
            self.text = type(e).__name__


def onnxsim(path):
    import onnxsim
    return onnxsim.simplify(onnx.load(path), check_n=0)[0]


def onnxslim(path):
    import onnxslim
    return onnxslim.slim(onnx.load(path))


def saha_result(saha, path, out, *options):
    done = subprocess.run([saha, "simplify", path, "-o", out, "--samples", "0", "--json", "-q", *options], capture_output=True, text=True)
    return (json.loads(done.stdout), nodes(onnx.load(out))) if done.returncode == 0 else (None, done.stderr.strip())


def runs_slower_by(original, result):
    """Least processor time of a run of the result in onnxruntime over that of the original."""
    import numpy as np
    import onnxruntime as ort
    ort.set_default_logger_severity(3)
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    sessions = [ort.InferenceSession(p, options, providers=["CPUExecutionProvider"]) for p in (original, result)]
    feed = {}
    for i in sessions[0].get_inputs():
        dims = [d if isinstance(d, int) else 1 for d in i.shape]
        feed[i.name] = np.random.default_rng(0).standard_normal(dims).astype(np.float32) if i.type == "tensor(float)" else np.zeros(dims, {"tensor(int64)": np.int64, "tensor(int32)": np.int32, "tensor(bool)": np.bool_}[i.type])
    least, rounds, end = [float("inf")] * 2, 0, time.perf_counter() + 8
    while rounds < 10 or time.perf_counter() < end:
        rounds += 1
        for k, s in enumerate(sessions):
            start = time.process_time()
            s.run(None, feed)
            least[k] = min(least[k], time.process_time() - start)
    return f"{least[1] / least[0]:.3f}"


def main():
    saha, failed, passed = sys.argv[1], 0, 0
    timed = "--time" in sys.argv
    print(f"{'model':34}{'before':>8}{'saha':>7}{'--fuse':>8}{'onnxsim':>13}{'onnxslim':>9}{'saha ms':>9}{'sim ms':>8}{'slim ms':>8}{'KiB':>16}{'  onnxruntime: result, --fuse' if timed else ''}")
    for path in [a for a in sys.argv[2:] if a != "--time"]:
        with tempfile.TemporaryDirectory() as d:
            out, fused = os.path.join(d, "out.onnx"), os.path.join(d, "fused.onnx")
            report, mine = saha_result(saha, path, out)
            fuse_report, fuse = saha_result(saha, path, fused, "--fuse")
            if report is None or fuse_report is None:
                print(f"{os.path.basename(path):34} saha: {mine if report is None else fuse}")
                failed += 1
                continue
            sim, slim = Peer(onnxsim, path), Peer(onnxslim, path)
            more = any(p.nodes is not None and not p.foreign and mine > p.nodes for p in (sim, slim))
            larger = report["bytes_after"] > report["bytes_before"]
            good = not more and not larger
            passed, failed = passed + good, failed + (not good)
            speed = ""
            if timed:
                try:
                    speed = f"  {runs_slower_by(path, out)} {runs_slower_by(path, fused)}"
                except Exception as e:  # inputs that onnxruntime does not take at 1
                    speed = "  not timed: " + type(e).__name__
            size = f"{report['bytes_before'] / 1024:.0f}->{report['bytes_after'] / 1024:.0f}"
            print(f"{os.path.basename(path)[:33]:34}{nodes(onnx.load(path)):>8}{mine:>7}{fuse:>8}{sim.text:>13}{slim.text:>9}{report['seconds'] * 1e3:>9.1f}{sim.ms:>8}{slim.ms:>8}{size:>16}{speed}{'   MORE NODES' if more else ''}{'   LARGER FILE' if larger else ''}", flush=True)
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
