#!/usr/bin/env python3
"""Reads the report.json of `./run demo --quick` and fails where the life cycle is not whole: continuous integration's last word.

  tools/check_report.py demo/report/report.json
"""
import json
import sys

with open(sys.argv[1]) as f:
    report = json.load(f)
faults = []


def want(condition, message):
    if not condition:
        faults.append(message)


want(report.get("schema") == "saha.report/1", "not a saha.report/1")
stages = [s["name"] for s in report.get("stages", [])]
for stage in ("goals", "data", "train", "simplify", "validate/float32/native", "measure/server", "choose/server", "package/server", "report"):
    want(stage in stages, f"stage '{stage}' is missing")
for s in report.get("stages", []):
    left_out = s["status"] == "skip" and s["name"].startswith("validate/") and not s["name"].endswith("/native")   # an engine that does not run a candidate
    want(left_out or s["status"] in ("ok", "cached"), f"stage '{s['name']}' is {s['status']}: {s.get('note')}")
want(report.get("exit_code") == 0, f"exit code {report.get('exit_code')}")
chosen = [c for c in report.get("candidates", []) if c["chosen"]]
want(len(chosen) == 1, f"{len(chosen)} candidates were chosen")
for c in chosen:
    for r in c["requirements"]:
        want(r["verdict"] == "passed", f"{r['id']} is {r['verdict']}: {r['evidence']}")
    want(c["accuracy"] and c["accuracy"]["value"] >= 0.95, "the chosen candidate's accuracy is below 95 %")
mistakes = report.get("mistakes", {})
confusion = mistakes.get("confusion") or []
right = sum(row[i] for i, row in enumerate(confusion))
want(chosen and right == chosen[0]["accuracy"]["correct"], f"the confusion matrix has {right} right answers, the accuracy another number")
want(mistakes.get("classes") == [str(d) for d in range(10)], f"labels are {mistakes.get('classes')}")
want(len(report.get("data", {}).get("test", {}).get("per_class", [])) == 10, "the data page has not ten classes")
for f in faults:
    print("FAIL", f)
print(f"{0 if faults else 1} passed, {1 if faults else 0} failed")
sys.exit(1 if faults else 0)
