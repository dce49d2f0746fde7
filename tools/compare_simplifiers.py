#!/usr/bin/env python3
"""Nodes and time of saha simplify beside onnxsim and onnxslim, model by model; nodes count sub-graphs and function bodies.

  pip install onnxsim==0.8.1 onnxslim==0.1.98 onnxruntime
  tools/compare_simplifiers.py build/release/src/cli/saha MODEL.onnx...

Times are each tool's own, without its check: saha's from --json, the others' around their call. Prints a table and, last,
`N passed, N failed`: failed is a model with more nodes than the better of the two.
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


def peer(simplify, path):
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            start = time.perf_counter()
            model = simplify(path)
            seconds = time.perf_counter() - start
        return nodes(model), seconds
    except BaseException as e:  # a tool that fails on a model is a line of the table
        return type(e).__name__, None


def onnxsim(path):
    import onnxsim
    return onnxsim.simplify(onnx.load(path), check_n=0)[0]


def onnxslim(path):
    import onnxslim
    return onnxslim.slim(onnx.load(path))


saha, failed, passed = sys.argv[1], 0, 0
print(f"{'model':36}{'before':>8}{'saha':>8}{'onnxsim':>10}{'onnxslim':>10}{'saha ms':>10}{'sim ms':>9}{'slim ms':>9}")
for path in sys.argv[2:]:
    with tempfile.TemporaryDirectory() as d:
        out = os.path.join(d, "out.onnx")
        done = subprocess.run([saha, "simplify", path, "-o", out, "--samples", "0", "--json", "-q"], capture_output=True, text=True)
        if done.returncode:
            print(f"{os.path.basename(path):36} saha: {done.stderr.strip()}")
            failed += 1
            continue
        report = json.loads(done.stdout)
        mine = nodes(onnx.load(out))
    sim, sim_s = peer(onnxsim, path)
    slim, slim_s = peer(onnxslim, path)
    best = min((n for n in (sim, slim) if isinstance(n, int)), default=None)
    good = best is None or mine <= best
    passed, failed = passed + good, failed + (not good)
    ms = lambda s: "-" if s is None else f"{s * 1e3:.0f}"
    print(f"{os.path.basename(path)[:35]:36}{nodes(onnx.load(path)):>8}{mine:>8}{sim!s:>10}{slim!s:>10}{report['seconds'] * 1e3:>10.1f}{ms(sim_s):>9}{ms(slim_s):>9}{'' if good else '   MORE NODES'}")
print(f"{passed} passed, {failed} failed")
sys.exit(1 if failed else 0)
