"""Metrics as scikit-learn has them, for tests/js/metrics-golden.test.js, which makes the same data
from the same seeds.

    apt-get install python3-sklearn    # 1.2.1 and numpy 1.24.2 made the file
    python3 tests/golden/metrics.py > tests/golden/metrics.json

An output is a list of cases of one kind of output, each a list of numbers: of each metric in the
test's order. Where scikit-learn refuses (a class that is missing) or rounds ties by position (top k),
the rule of docs/metrics.md is restated beside it."""

import json
import sys

import numpy as np
from sklearn import metrics as sk

CASES = 60
CLASSES, LABELS, NUMBERS, WORDS, STEPS = 4, 3, 2, 7, 5


class Draw:
    def __init__(self, seed):
        self.seed = seed

    def __call__(self):
        self.seed = (self.seed * 1664525 + 1013904223) % 2**32
        return (self.seed >> 8) / 2**24


def case_of(kind, number):
    """Draws what the test draws: logits, targets, weights."""
    draw = Draw(1000 * kind + number)
    for _ in range(8):
        draw()
    n = 6 + int(draw() * 30)
    coarse, weighted, missing = number % 2 == 0, number % 3 == 1, number % 4 == 3
    width = [1, CLASSES, LABELS, NUMBERS, STEPS][kind]
    z, y, w = [], [], []
    for _ in range(n):
        if kind == 4:
            z.append([int(draw() * WORDS) for _ in range(width)])
            y.append([int(draw() * CLASSES) for _ in range(width)])
        else:
            row = [(int(draw() * 9) - 4) / 2 if coarse else draw() * 8 - 4 for _ in range(width)]
            z.append(row)
            if kind == 0:
                y.append([0 if missing else int(draw() * 2)])
            elif kind == 1:
                y.append([int(draw() * (CLASSES - missing))])
            elif kind == 2:
                y.append([0 if missing and k == 1 else int(draw() * 2) for k in range(width)])
            else:
                y.append([1.5 if missing else v + draw() * 2 - 1 for v in row])
        share = draw()
        w.append(0 if weighted and share < 0.15 else 2 * share if weighted else 1)
    table = [[draw() * 4 - 2 for _ in range(CLASSES)] for _ in range(WORDS)] if kind == 4 else None
    keep = np.array(w) > 0
    z, y, w = (np.array(v, np.float32).astype(np.float64)[keep] for v in (z, y, w))
    return z, y, w, np.array(table, np.float32).astype(np.float64) if table else None


def softmax(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return (e / e.sum(axis=1, keepdims=True)).astype(np.float32).astype(np.float64)


def sigmoid(z):
    return (1 / (1 + np.exp(-z))).astype(np.float32).astype(np.float64)


def area(y, p, w, curve):
    """Of one number: the area, and whether it has a curve."""
    up, down = w[y == 1].sum(), w[y == 0].sum()
    if up == 0 or (down == 0 and curve == "roc"):
        return 0, False
    of = sk.roc_auc_score if curve == "roc" else sk.average_precision_score
    return of(y, p, sample_weight=w), True


def areas(y, p, w, curve, average):
    if average == "micro":
        return area(y.ravel(), p.ravel(), np.repeat(w, y.shape[1]), curve)[0]
    each = [area(y[:, k], p[:, k], w, curve) for k in range(y.shape[1])]
    if average == "none":
        return [a for a, _ in each]
    shares = [(w @ y[:, k] if average == "weighted" else 1) * has for k, (_, has) in enumerate(each)]
    return sum(s * a for s, (a, _) in zip(shares, each)) / sum(shares) if sum(shares) else 0


def specificity(y, guess, w):
    down = w[~y].sum()
    return w[~y & ~guess].sum() / down if down else 0


def of_classes(y, guess, w, labels):
    """Metrics that see predicted classes only."""
    own = {"sample_weight": w, "labels": labels}
    seen = [k for k in labels if (y == k).any() or (guess == k).any()]
    return {
        "perClass": sk.recall_score(y, guess, average=None, zero_division=0, **own),
        "meanIoU": sk.jaccard_score(y, guess, labels=seen, average="macro", sample_weight=w),
        "matthews": sk.matthews_corrcoef(y, guess, sample_weight=w),
        "confusion": sk.confusion_matrix(y, guess, **own).ravel(),
    }


def binary(z, y, w, _):
    p, y = sigmoid(z)[:, 0], y[:, 0]
    guess, high = p > 0.5, p > 0.7
    one = {"sample_weight": w, "zero_division": 0}
    by_class = of_classes(y, guess * 1.0, w, [0, 1])
    return [
        sk.precision_score(y, guess, **one),
        sk.recall_score(y, guess, **one),
        sk.f1_score(y, high, **one),
        sk.fbeta_score(y, guess, beta=2, **one),
        specificity(y == 1, guess, w),
        area(y, p, w, "roc")[0],
        area(y, p, w, "pr")[0],
        sk.accuracy_score(y, high, sample_weight=w),
        *by_class.values(),
    ]


def classes(z, y, w, _):
    p, y, labels = softmax(z), y[:, 0].astype(int), list(range(CLASSES))
    guess, hot = z.argmax(axis=1), np.eye(CLASSES)[y]
    all_of = {"labels": labels, "sample_weight": w, "zero_division": 0}
    above = (z > z[np.arange(len(y)), y][:, None]).sum(axis=1)
    return [
        sk.precision_score(y, guess, average="macro", **all_of),
        sk.recall_score(y, guess, average="weighted", **all_of),
        sk.f1_score(y, guess, average="micro", **all_of),
        sk.f1_score(y, guess, average=None, **all_of),
        sk.fbeta_score(y, guess, beta=0.5, average="macro", **all_of),
        np.mean([specificity(y == k, guess == k, w) for k in labels]),
        sk.precision_score(hot, p > 0.3, average="micro", sample_weight=w, zero_division=0),
        *(areas(hot, p, w, "roc", a) for a in ("macro", "weighted", "micro")),
        *(areas(hot, p, w, "pr", a) for a in ("macro", "micro")),
        (w * (above < 2)).sum() / w.sum(),
        *of_classes(y, guess, w, labels).values(),
    ]


def labels(z, y, w, _):
    p = sigmoid(z)
    all_of = {"sample_weight": w, "zero_division": 0}
    return [
        sk.precision_score(y, p > 0.5, average="macro", **all_of),
        sk.recall_score(y, p > 0.5, average="weighted", **all_of),
        sk.f1_score(y, p > 0.5, average="micro", **all_of),
        sk.f1_score(y, p > 0.5, average=None, **all_of)[2],
        areas(y, p, w, "roc", "none"),
        areas(y, p, w, "roc", "macro"),
        areas(y, p, w, "pr", "micro"),
    ]


def numbers(z, y, w, _):
    def pearson(k):
        dz, dy = z[:, k] - np.average(z[:, k], weights=w), y[:, k] - np.average(y[:, k], weights=w)
        return w @ (dz * dy) / np.sqrt((w @ dz**2) * (w @ dy**2)) if (w @ dy**2) > 0 else 0

    own = {"sample_weight": w}
    cosine = 1 - sk.pairwise.paired_cosine_distances(z, y)
    cosine[(z == 0).all(axis=1) | (y == 0).all(axis=1)] = 0
    return [
        sk.mean_squared_error(y, z, **own),
        # over all numbers, and not the mean of their roots
        np.sqrt(sk.mean_squared_error(y, z, **own)),
        sk.mean_absolute_error(y, z, **own),
        100 * sk.mean_absolute_percentage_error(y, z, **own),
        sk.r2_score(y, z, **own),
        np.mean([pearson(k) for k in range(NUMBERS)]),
        np.average(cosine, weights=w),
    ]


def sequence(z, y, w, table):
    words, y, w = z.astype(int).ravel(), y.astype(int).ravel(), np.repeat(w, STEPS)
    words, y, w = words[words > 0], y[words > 0], w[words > 0]
    rows = table[words]
    p, guess, hot = softmax(rows), rows.argmax(axis=1), np.eye(CLASSES)[y]
    own = {"labels": list(range(CLASSES)), "sample_weight": w, "zero_division": 0}
    return [
        sk.accuracy_score(y, guess, sample_weight=w),
        sk.f1_score(y, guess, average="macro", **own),
        areas(hot, p, w, "roc", "macro"),
        sk.confusion_matrix(y, guess, labels=list(range(CLASSES)), sample_weight=w).ravel(),
    ]


def flat(values):
    return [float(f"{v:.8g}") for each in values for v in np.atleast_1d(each)]


def main():
    kinds = [binary, classes, labels, numbers, sequence]
    out = {
        of.__name__: [flat(of(*case_of(k, i))) for i in range(CASES)] for k, of in enumerate(kinds)
    }
    lines = ",\n".join(
        f'"{name}": [\n' + ",\n".join(json.dumps(c, separators=(",", ":")) for c in cases) + "\n]"
        for name, cases in out.items()
    )
    sys.stdout.write("{\n" + lines + "\n}\n")


main()
