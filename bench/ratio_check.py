"""Holds the native engine's speed against onnxruntime's on generated networks: both by turns in one run, one thread, least processor time of a call.
Fails where native takes more than twice the share of onnxruntime's time that is recorded here: a kernel was lost, not a percent. Absolute times decide nothing.

usage: ratio_check.py SAHA SAHA_MAKE_MODELS FOLDER   (networks are written into FOLDER)
"""
import json
import subprocess
import sys

# onnxruntime's time divided by native's, by `ratio_check.py` on an EPYC with AVX2, onnxruntime 1.32; runs of each engine.
RECORDED = {
    "mlp_16_32_32_5": (30, 2000),
    "lenet_28": (2, 1000),
    "mobilenet_v2": (1.1, 40),
    "encoder6_384": (1.0, 20),
    "resnet50": (1.1, 12),
}
FLOOR = 0.5   # of what is recorded
ATTEMPTS = 2  # other load may meet one engine more than the other


def measured(saha: str, model: str, runs: int) -> dict:
    run = subprocess.run([saha, "bench", model, "--backend", "native,onnxruntime", "--threads", "1", "--runs", str(runs), "--warmup", "3", "--reference", "onnxruntime", "--json"],
                         capture_output=True, text=True)
    if run.returncode not in (0, 1) or not run.stdout:
        sys.exit(f"saha bench {model}: exit code {run.returncode}\n{run.stdout}{run.stderr}")
    return json.loads(run.stdout)


def main() -> None:
    saha, maker, folder = sys.argv[1:]
    engines = json.loads(subprocess.run([saha, "backends", "--json"], capture_output=True, text=True).stdout)["backends"]
    ort = next(e for e in engines if e["backend"] == "onnxruntime")
    if not ort["here"]:
        print(f"left out: onnxruntime is not here ({ort['reason']}); pip install onnxruntime")
        return
    paths = subprocess.run([maker, folder, *RECORDED], check=True, capture_output=True, text=True).stdout.split()
    failed = []
    for path, (name, (recorded, runs)) in zip(paths, RECORDED.items(), strict=True):
        for _ in range(ATTEMPTS):
            result = measured(saha, path, runs)
            native, other = (next(b for b in result["backends"] if b["backend"] == e) for e in ("native", "onnxruntime"))
            ratio = other["cpu_min_ms"] / native["cpu_min_ms"]
            low = ratio < FLOOR * recorded
            print(f"{name}: onnxruntime {ort['version']} / native {native['version']} = {ratio:.2f}, recorded {recorded:g}, floor {FLOOR * recorded:g}"
                  + (", WRONG results" if result["wrong"] else "") + (": too slow" if low else ""), flush=True)
            if not low or result["wrong"]:
                break
        if low or result["wrong"]:
            failed.append(name)
    if failed:
        sys.exit("below the floor, or wrong: " + ", ".join(failed))


main()
