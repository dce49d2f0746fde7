"""Prints the ratio table of several `saha bench --json` files: p50 of each engine, and how many times the native engine's it is.
In brackets the same of the least processor time of a call, which other load on the machine changes little.

usage: ratio_table.py FILE.json...   (one per model and number of threads)
"""
import json
import math
import pathlib
import sys


def duration(ms: float) -> str:
    return f"{ms * 1e3:.3g} us" if ms < 1 else f"{ms:.3g} ms"


def mean(ratios: list[float]) -> float:
    return math.exp(sum(map(math.log, ratios)) / len(ratios))


def main() -> None:
    runs = []
    for f in sys.argv[1:]:
        run = pathlib.Path(f).read_text()
        if '"saha.bench/1"' in run:
            runs.append(json.loads(run))
        else:
            print(f"{f}: no measurement, left out", file=sys.stderr)
    for threads in sorted({r["threads"] for r in runs}):
        rows = [r for r in runs if r["threads"] == threads]
        engines = list(dict.fromkeys(b["backend"] for r in rows for b in r["backends"]))
        load = max(r["load_average"] for r in rows)
        print(f"\np50 of one call, [least processor time], and their ratio to {engines[0]}'s; {threads} thread{'s' if threads > 1 else ''}, "
              f"{rows[0]['machine']['cpu']}, load up to {load:.1f}, measured\n")
        print("| model | MMAC | " + " | ".join(engines) + " |")
        print("|---|--:|" + "--:|" * len(engines))
        ratios: dict[str, list[tuple[float, float]]] = {e: [] for e in engines}
        for r in rows:
            by_name = {b["backend"]: b for b in r["backends"]}
            first = by_name.get(engines[0])
            cells = []
            for e in engines:
                b = by_name.get(e)
                if b is None or first is None:
                    cells.append("-")
                    continue
                cpu = b["cpu_min_ms"] / first["cpu_min_ms"]
                ratios[e].append((b["ratio"], cpu))
                text = f"{duration(b['p50_ms'])} [{duration(b['cpu_min_ms'])}]"
                cells.append(text + (f" {b['ratio']:.2f}x [{cpu:.2f}x]" if e != engines[0] else "") + (" WRONG" if b["wrong"] else ""))
            print(f"| {pathlib.Path(r['model']).stem} | {r['macs'] / 1e6:,.2f} | " + " | ".join(cells) + " |")
        print("| geometric mean | | " + " | ".join(f"{mean([a for a, _ in v]):.2f}x [{mean([c for _, c in v]):.2f}x]" if v else "-" for v in ratios.values()) + " |")


main()
