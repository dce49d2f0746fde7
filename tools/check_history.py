#!/usr/bin/env python3
"""Every step between versions of an operator that changes attributes, defaults or operands must have a row in formats/onnx/history.cpp.

  check_history.py [src/formats/onnx/history.cpp]        needs: pip install onnx==1.23.2

Prints the steps without a row, the operators whose first operator set differs from the table's, and exits 1 if there are any.
"""
import collections, re, sys
import onnx

path = sys.argv[1] if len(sys.argv) > 1 else "src/formats/onnx/history.cpp"
text = open(path).read()
rows = collections.defaultdict(list)  # op -> [(before, kind, attrs)]
for kind, ops, before, rest in re.findall(r'^    (drop|set|meant|added|renamed|operand|function)\("([^"]+)", (\w+)(.*)$', text, re.M):
    for op in ops.split():
        rows[op].append((10**6 if before == "kAlways" else int(before), kind, set(w for q in re.findall(r'"([^"]*)"', rest) for w in q.split())))
first = {}
for opset, ops in re.findall(r'\{(\d+), ((?:"[^"]*"\s*)+)\}', text):
    for op in " ".join(re.findall(r'"([^"]*)"', ops)).split():
        first[op] = int(opset)

history = collections.defaultdict(list)
for s in onnx.defs.get_all_schemas_with_history():
    if s.domain in ("", "ai.onnx.ml"):
        history[s.name].append(s)
bad = steps = 0


def operands(s):
    return [str(p.option) for p in s.inputs], [str(p.option) for p in s.outputs]


def attributes(s):
    return {a.name: (str(a.type), a.required, str(a.default_value)) for a in s.attributes.values()}


def complain(what):
    global bad
    bad += 1
    print(what)


# An operand that may be left out; the Constant node, which becomes a constant of the graph.
harmless = {("OptionalHasElement", 18), ("Constant", 11), ("Constant", 12)}
for op, versions in sorted(history.items()):
    versions.sort(key=lambda s: s.since_version)
    if first.get(op, 1) != versions[0].since_version:
        complain(f"{op} came with {versions[0].since_version}, the table says {first.get(op, 1)}")
    for a, b in zip(versions, versions[1:]):
        if b.deprecated:
            continue
        x, y = attributes(a), attributes(b)
        changed = {n for n in set(x) | set(y) if x.get(n) != y.get(n)}
        shape = operands(a) != operands(b)
        if not changed and not shape:
            continue
        steps += 1
        mine = [r for r in rows[op] if r[0] >= b.since_version]
        covered = any(r[1] == "function" and (r[0] < 10**6 or versions[-1].deprecated) for r in mine)  # a function serves all versions before its own
        missing = changed - set().union(*(r[2] for r in mine)) if mine else changed
        if (missing or (shape and not covered and not any(r[1] == "operand" for r in mine))) and not covered and (op, b.since_version) not in harmless:
            complain(f"{op} {a.since_version} -> {b.since_version}: {sorted(missing)}{' operands' if shape else ''} without a row")
print(f"{steps} steps, {bad} without a row")
sys.exit(1 if bad else 0)
