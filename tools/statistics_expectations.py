#!/usr/bin/env python3
"""Writes tests/validate/statistics_expected.txt: what scipy, statsmodels and scikit-learn give for the statistics of src/validate.

Needs a virtual environment with numpy, scipy, statsmodels and scikit-learn. Run from the repository root:  python tools/statistics_expectations.py
Lines: name, the numbers that go in, "=", the numbers that come out; "|" parts lists. Formulas that no library has are written out here, straight
from their papers, without the shortcuts of the C++ side.
"""
import math
import pathlib

import numpy as np
import scipy
import sklearn
import sklearn.metrics
import statsmodels
from scipy import integrate, optimize, special, stats
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

FILE = pathlib.Path("tests/validate/statistics_expected.txt")
rng = np.random.default_rng(7)
lines = [f"# Made by tools/statistics_expectations.py: scipy {scipy.__version__}, statsmodels {statsmodels.__version__}, scikit-learn {sklearn.__version__}."]


def show(v):
    return "|" if isinstance(v, str) else repr(int(v)) if isinstance(v, (int, np.integer)) else repr(float(v))


def row(name, inputs, *outputs):
    lines.append(" ".join([name, *map(show, inputs), "=", *map(show, outputs)]))


def joined(*lists):
    out = []
    for x in lists:
        out += (["|"] if out else []) + list(x)
    return out


# Clopper and Pearson: one-sided by the beta quantile, two-sided by statsmodels.
for n in (1, 2, 7, 30, 299, 1000, 25_000, 1_000_000):
    for k in sorted({0, 1, n // 3, n // 2, n - 1, n}):
        for c in (0.5, 0.8, 0.95, 0.999, 1 - 1e-6):
            lower = stats.beta.ppf(1 - c, k, n - k + 1) if k else 0.0
            upper = stats.beta.ppf(c, k + 1, n - k) if k < n else 1.0
            row("clopper_pearson", (k, n, c), lower, upper, *proportion_confint(k, n, 1 - c, "beta"))
for b, c in ((0, 0), (0, 5), (3, 10), (25, 25), (40, 60), (1, 300), (480, 520), (4000, 4200)):
    row("mcnemar", (b, c), mcnemar([[10, b], [c, 10]], exact=True).pvalue)
for m in (1, 3, 8):
    p = rng.uniform(0, 0.1, m)
    row("holm", p, *multipletests(p, method="holm")[1])
    row("benjamini_hochberg", p, *stats.false_discovery_control(p))

# Sample sizes. Exact power, summed; the plan is the first n after the last one that falls short.
def power(n, rate, limit, c):
    k = np.arange(n + 1)
    lower = np.where(k > 0, stats.beta.ppf(1 - c, np.maximum(k, 1), n - k + 1), 0)
    return stats.binom.pmf(k, n, rate)[lower >= limit].sum()


for rate, limit, c, want in ((0.97, 0.95, 0.95, 0.8), (0.99, 0.95, 0.95, 0.9), (0.9, 0.8, 0.99, 0.8), (0.6, 0.5, 0.95, 0.8), (0.1, 0.05, 0.9, 0.8), (0.99, 0.98, 0.95, 0.8)):
    sizes = range(1, 4000)
    short = [n for n in sizes if power(n, rate, limit, c) < want]
    row("sample_size", (rate, limit, c, want), short[-1] + 1, power(short[-1] + 1, rate, limit, c))

# Conformal thresholds and scores, by their definitions.
for n, level in ((10, 0.9), (9, 0.9), (8, 0.9), (100, 0.95), (57, 0.8)):
    s = rng.uniform(0, 1, n)
    rank = math.ceil((n + 1) * level - 1e-9)
    row("conformal", joined([level], s), np.quantile(np.append(s, np.inf), rank / (n + 1), method="inverted_cdf"))
for classes in (2, 4, 9):
    p = rng.dirichlet(np.ones(classes))
    aps = [p[p >= v].sum() for v in p]
    row("lac", p, *(1 - p))
    row("aps", p, *aps)
    row("raps", p, *(a + 0.01 * max(0, int((p >= v).sum()) - 5) for a, v in zip(aps, p)))

# ROC: DeLong by the covariance of the structural components, in full.
for m, n in ((12, 15), (30, 7)):
    pos, neg = np.round(rng.normal(1, 1, m), 1), np.round(rng.normal(0, 1, n), 1)
    psi = (pos[:, None] > neg) + 0.5 * (pos[:, None] == neg)
    area = sklearn.metrics.roc_auc_score(np.r_[np.ones(m), np.zeros(n)], np.r_[pos, neg])
    variance = psi.mean(1).var(ddof=1) / m + psi.mean(0).var(ddof=1) / n
    logit, spread = special.logit(area), math.sqrt(variance) / (area * (1 - area))
    row("delong", joined(pos, neg), area, variance, special.expit(logit - stats.norm.ppf(0.95) * spread))

# Strangeness.
for width in (2, 5):
    z = rng.normal(0, 3, width)
    row("energy", z, -special.logsumexp(z))
    row("entropy", z, stats.entropy(special.softmax(z)))
    row("msp", z, 1 - special.softmax(z).max())

# Shift.
for n, m in ((20, 25), (40, 11)):
    a, b = np.round(rng.normal(0, 1, n), 1), np.round(rng.normal(0.5, 1.5, m), 1)
    d = stats.ks_2samp(a, b).statistic
    row("ks", joined(a, b), d, special.kolmogorov(d * math.sqrt(n * m / (n + m))))
    row("wasserstein", joined(a, b), stats.wasserstein_distance(a, b))
    edges = np.unique(np.quantile(a, np.arange(1, 10) / 10, method="inverted_cdf"))
    edges = edges[edges < a.max()]
    p, q = (np.maximum(0.5, np.bincount(np.searchsorted(edges, x), minlength=len(edges) + 1)) / len(x) for x in (a, b))
    row("psi", joined(a, b), ((q - p) * np.log(q / p)).sum())
for k in (2, 5, 12):
    a, b = rng.integers(1, 60, k), rng.integers(1, 60, k)
    found = stats.chi2_contingency([a, b], correction=False)
    row("chi_square", joined(a, b), found.statistic, found.dof, found.pvalue)
for x in (1e-3, 0.2, 0.9, 1.0, 1.5, 4.0):
    row("kolmogorov", (x,), special.kolmogorov(x))
for a, x in ((0.5, 0.1), (0.5, 9), (10, 3), (10, 40), (500, 450), (500, 620)):
    row("incomplete_gamma", (a, x), special.gammaincc(a, x))
for k, n, failures, total in ((5, 20, 12, 200), (0, 5, 3, 20), (9, 10, 30, 1000), (40, 100, 300, 1000)):
    row("fisher", (k, n, failures, total), stats.hypergeom.sf(k - 1, total, failures, n))

# The beta-binomial e-process against "rate <= limit": the mixture integrated numerically.
for k, n, limit in ((9, 10, 0.5), (50, 50, 0.9), (866, 1000, 0.84), (3, 20, 0.6)):
    top = max(k / n, limit + 1e-3)
    log_ratio = lambda p: k * math.log(p / limit) + (n - k) * (math.log1p(-p) - math.log1p(-limit) if n > k else 0)
    shift = max(0.0, log_ratio(min(top, 1 - 1e-12)))
    value = integrate.quad(lambda p: math.exp(log_ratio(p) - shift), limit, 1, points=[min(top, 1 - 1e-9)], epsabs=0, epsrel=1e-11, limit=500)[0]
    row("evidence", (k, n, limit), math.log(value) + shift - math.log1p(-limit))

# Tango's interval by the constrained likelihood, maximised numerically.
def tango(n, b, c, d):
    def loss(q):
        p = q + d
        rest = 1 - p - q
        return math.inf if min(p, q, rest) <= 0 else -((b * math.log(p)) + c * math.log(q) + (n - b - c) * math.log(rest))
    lo, hi = max(0, -d) + 1e-12, (1 - d) / 2 - 1e-12
    q = optimize.minimize_scalar(loss, bounds=(lo, hi), method="bounded", options={"xatol": 1e-13}).x
    return (b - c - n * d) / math.sqrt(n * (2 * q + d - d * d))


for n, b, c, conf in ((1000, 50, 50, 0.95), (1000, 10, 3, 0.99), (200, 30, 12, 0.99), (400, 9, 2, 0.95)):
    z = stats.norm.ppf(conf)
    row("tango", (n, b, c, conf), optimize.brentq(lambda d: tango(n, b, c, d) - z, -0.9, (b - c) / n - 1e-9), optimize.brentq(lambda d: tango(n, b, c, d) + z, (b - c) / n + 1e-9, 0.9))

FILE.write_text("\n".join(lines) + "\n")
print(f"{len(lines) - 1} lines in {FILE}")
