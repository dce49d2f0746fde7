#!/usr/bin/env python3
"""The form of the repository's texts (docs/decisions/0008): no tab, no blank at a line's end, one newline at the file's end, no line of code
above MOST characters, the includes of a block in order, and no path of a machine.

  tools/check_text.py
"""
import pathlib
import re
import subprocess
import sys

MOST = 320
CODE = {".cpp", ".hpp", ".h", ".py"}
MACHINE = re.compile(r"(?<![\w.$}/~-])/(?:root|home|work|mnt|srv)/[\w.-]+")
root = pathlib.Path(__file__).resolve().parent.parent
faults = []


def check(name, text):
    lines = text.split("\n")
    if lines[-1] or (len(lines) > 1 and not lines[-2]):
        faults.append(f"{name}:{len(lines)}: ends without exactly one newline")
    block = []
    for at, line in enumerate(lines, 1):
        if line != line.rstrip():
            faults.append(f"{name}:{at}: blanks at its end")
        if "\t" in line:
            faults.append(f"{name}:{at}: a tab")
        if pathlib.Path(name).suffix in CODE and len(line) > MOST:
            faults.append(f"{name}:{at}: {len(line)} characters, {MOST} are the most")
        if machine := MACHINE.search(line):
            faults.append(f"{name}:{at}: names the machine's {machine[0]}")
        include = re.match(r'#include ([<"])(.*?)[>"]', line)
        if not include:
            block = []
            continue
        if block and block[-1] > include[2]:
            faults.append(f"{name}:{at}: {include[2]} stands after {block[-1]}")
        block.append(include[2])


files = subprocess.run(["git", "ls-files", "-z"], cwd=root, capture_output=True, check=True).stdout.decode().split("\0")
checked = 0
for name in filter(None, files):
    if not (root / name).is_file():
        continue
    content = (root / name).read_bytes()
    if b"\0" in content or not content:
        continue
    checked += 1
    check(name, content.decode())
print("\n".join(faults) or f"{checked} texts are in form")
sys.exit(1 if faults else 0)
