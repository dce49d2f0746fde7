"""The breast-cancer rows that scikit-learn brings along as train.csv and test.csv: 30 measures of cell nuclei, the diagnosis, a slice.

    python prepare.py data

Every third row of each diagnosis is for testing. `nuclei` tells whether the mean radius is below the median of the training rows.
"""
import csv
import os
import sys

import numpy as np
from sklearn.datasets import load_breast_cancer

out = sys.argv[1]
os.makedirs(out, exist_ok=True)
d = load_breast_cancer()
names = [n.replace(" ", "_") for n in d.feature_names]
words = np.array(["malignant", "benign"])[d.target]      # scikit-learn's 0 and 1
test = np.zeros(len(words), bool)
for word in set(words):
    test[np.flatnonzero(words == word)[::3]] = True
middle = np.median(d.data[~test, names.index("mean_radius")])
for part, rows in (("train", np.flatnonzero(~test)), ("test", np.flatnonzero(test))):
    with open(f"{out}/{part}.csv", "w", newline="") as f:
        w = csv.writer(f)
        w.writerow(names + ["diagnosis", "nuclei"])
        for r in rows:
            w.writerow([repr(float(v)) for v in d.data[r]] + [words[r], "small" if d.data[r, names.index("mean_radius")] < middle else "large"])
    print(f"{part}: {len(rows)} rows, {int((words[rows] == 'malignant').sum())} malignant")
