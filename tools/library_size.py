#!/usr/bin/env python3
"""Where the bytes of the runtime library are: by level of the kernels, and by module for the rest; then the objects of the kernels by level.

    library_size.py [BUILD]      build/release

Of the library the sizes are those of symbols (nm); functions that several objects of a level share count in each object, and once in the library.
"""
import collections
import glob
import os
import re
import subprocess
import sys
import tempfile


def output(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def stripped(library):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "stripped.so")
        subprocess.run(["strip", "-o", path, library], check=True)
        return os.path.getsize(path)


def part_of(symbol):
    level = re.search(r"saha::kernels::(generic|avx\w+|neon\w*)::", symbol)
    if level:
        return "kernels, level " + level.group(1)
    if "nlohmann" in symbol:
        return "JSON"
    module = re.search(r"saha::(base|system|tensor|plan|kernels|bundle|runtime|session)::", symbol)
    if module:
        return module.group(1)
    return "saha, other" if "saha" in symbol else "other"


def by_part(library):
    sizes = collections.Counter()
    for line in output("nm", "-S", "--size-sort", "-C", library).splitlines():
        fields = line.split(None, 3)
        if len(fields) == 4:
            sizes[part_of(fields[3])] += int(fields[1], 16)
    return sizes


def by_object(build):
    """{kernel: {level: bytes of code and constants}}"""
    table = collections.defaultdict(dict)
    for path in glob.glob(f"{build}/src/kernels/CMakeFiles/saha_kernels_*.dir/loops/*.o"):
        level = re.search(r"saha_kernels_(\w+)\.dir", path).group(1)
        table[os.path.basename(path).split(".")[0]][level] = int(output("size", path).splitlines()[1].split()[0])
    return table


def main():
    build = sys.argv[1] if len(sys.argv) > 1 else "build/release"
    library = f"{build}/src/session/libsaha_runtime.so"
    print(f"{stripped(library):>10,} bytes after strip")
    for part, size in by_part(library).most_common():
        print(f"{size:>10,} {part}")
    table = by_object(build)
    levels = sorted({level for row in table.values() for level in row})
    print(f"{'object':<20}" + "".join(f"{level:>12}" for level in levels))
    for name, row in sorted(table.items(), key=lambda item: -sum(item[1].values())):
        print(f"{name:<20}" + "".join(f"{row.get(level, 0):>12,}" for level in levels))


if __name__ == "__main__":
    main()
