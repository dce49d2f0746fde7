"""Prints the ratio table of several `saha bench --json` files: p50 of each engine, and how many times the native engine's it is.

usage: ratio_table.py FILE.json...   (one per model and number of threads)
"""
import json
import math
import pathlib
import sys


def duration(ms: float) -> str:
    return f"{ms * 1e3:.3g} us" if ms < 1 else f"{ms:.3g} ms"


def main() -> None:
    runs = [json.loads(pathlib.Path(f).read_text()) for f in sys.argv[1:]]
    for threads in sorted({r["threads"] for r in runs}):
        rows = [r for r in runs if r["threads"] == threads]
        engines = list(dict.fromkeys(b["backend"] for r in rows for b in r["backends"]))
        print(f"\np50 of one call and ratio to native, {threads} thread{'s' if threads > 1 else ''}; {rows[0]['machine']['cpu']}, measured\n")
        print("| model | MMAC | " + " | ".join(engines) + " |")
        print("|---|--:|" + "--:|" * len(engines))
        ratios: dict[str, list[float]] = {e: [] for e in engines}
        for r in rows:
            by_name = {b["backend"]: b for b in r["backends"]}
            cells = []
            for e in engines:
                b = by_name.get(e)
                if b is None:
                    cells.append("-")
                    continue
                ratios[e].append(b["ratio"])
                cells.append(duration(b["p50_ms"]) + (f", {b['ratio']:.2f}x" if e != engines[0] else "") + (" WRONG" if b["wrong"] else ""))
            print(f"| {pathlib.Path(r['model']).stem} | {r['macs'] / 1e6:,.2f} | " + " | ".join(cells) + " |")
        means = [f"{math.exp(sum(map(math.log, v)) / len(v)):.2f}x" if v else "-" for v in ratios.values()]
        print("| geometric mean | | " + " | ".join(means) + " |")


main()
