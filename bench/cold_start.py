"""From the start of a process to its end, many times: least and median time, least processor time, largest memory.

    cold_start.py N COMMAND..        e.g. cold_start.py 50 saha infer model.saha x.npy

Of a program that runs a model once this is process start to first result and a little more. On a busy machine the processor time says more.
"""
import os
import statistics
import subprocess
import sys
import time

starts, command = int(sys.argv[1]), sys.argv[2:]
wall, cpu, memory = [], [], []
for _ in range(starts):
    begin = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    wall.append((time.perf_counter() - begin) * 1e3)
    cpu.append((used.ru_utime + used.ru_stime) * 1e3)
    memory.append(used.ru_maxrss / 1024)
    if status:
        sys.exit(f"error: {command[0]} ended with status {status}")
print(f"{starts} starts: least {min(wall):.1f} ms, median {statistics.median(wall):.1f} ms; processor time {min(cpu):.1f} ms, median {statistics.median(cpu):.1f} ms; peak {max(memory):.1f} MiB")
