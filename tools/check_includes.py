#!/usr/bin/env python3
"""Every #include of src/ follows an edge of the module table (DEPS, transitively); the build writes the table at configure time.

  tools/check_includes.py build/release/modules.txt
"""
import os
import re
import sys

root = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "src")
modules = {}                                            # folder -> (layer, dependencies by name)
names = {}
with open(sys.argv[1]) as f:
    for line in f:
        folder, name, layer, *deps = line.split()
        modules[folder] = (int(layer), deps)
        names[name] = folder


def reach(folder, seen):
    for dep in modules[folder][1]:
        if names[dep] not in seen:
            seen.add(names[dep])
            reach(names[dep], seen)
    return seen


def module_of(path):
    folder = os.path.dirname(path)
    while folder and folder not in modules:
        folder = os.path.dirname(folder)
    return folder


faults = 0
for folder in modules:
    allowed = reach(folder, {folder})
    for base, _, files in os.walk(os.path.join(root, folder)):
        for name in files:
            path = os.path.relpath(os.path.join(base, name), root)
            if not name.endswith((".hpp", ".cpp", ".h")) or module_of(path) != folder:
                continue
            with open(os.path.join(root, path)) as f:
                for number, line in enumerate(f, 1):
                    m = re.match(r'\s*#include "([^"]+)"', line)
                    if not m or not os.path.exists(os.path.join(root, m[1])):
                        continue
                    target = module_of(m[1])
                    if target and target not in allowed:
                        print(f"src/{path}:{number}: '{m[1]}' is of module '{target}', which '{folder}' does not depend on")
                        faults += 1
print(f"{len(modules)} modules, {faults} includes against the layers")
sys.exit(1 if faults else 0)
