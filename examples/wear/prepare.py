"""Machining steps and whether the tool stopped, made by rule as the AI4I 2020 set of predictive maintenance is (Matzka 2020): data/train.csv, data/test.csv.

    python prepare.py data

Air temperature [K], process temperature [K], spindle speed [1/min], torque [Nm], tool wear [min] and the quality of the product (0 low, 1 medium,
2 high). A step stops where the tool is worn out, where heat or power leave their range, or where a worn tool is strained too much.
"""
import csv
import os
import sys

import numpy as np

NAMES = ["air", "process", "speed", "torque", "wear", "quality"]


def failed(x):
    air, process, speed, torque, wear, quality = x.T
    power = torque * speed * 2 * np.pi / 60
    heat = (process - air < 8.6) & (speed < 1380)
    strain = wear * torque > 11000 + 1000 * quality
    return heat | strain | (power < 3500) | (power > 9000) | (wear > 240)


if __name__ == "__main__":
    out = sys.argv[1]
    os.makedirs(out, exist_ok=True)
    rng = np.random.default_rng(2020)
    n = 6000
    air = 300 + 2 * rng.standard_normal(n)
    process = air + 10 + rng.standard_normal(n)
    torque = np.clip(40 + 10 * rng.standard_normal(n), 3.8, 76.6)
    speed = np.clip(6400 / torque * 60 / (2 * np.pi) + 60 * rng.standard_normal(n), 1168, 2886)
    wear = rng.uniform(0, 253, n)
    quality = rng.choice(3, n, p=[0.6, 0.3, 0.1])
    x = np.stack([air.clip(295, 305), process.clip(305, 314), speed, torque, wear, quality], 1).round(1)
    y = failed(x)
    for part, rows in (("train", slice(0, 4500)), ("test", slice(4500, n))):
        with open(f"{out}/{part}.csv", "w", newline="") as f:
            w = csv.writer(f)
            w.writerow(NAMES + ["state"])
            for row, bad in zip(x[rows], y[rows]):
                w.writerow([repr(float(v)) for v in row] + ["stopped" if bad else "fine"])
        print(f"{part}: {len(y[rows])} steps, {int(y[rows].sum())} stopped")
