"""Learns the weight of meaning from a question's reach and identifiers, each set predicted from the others. Called by script/fusion-comparison.

Usage: weights.py ANALYSE FOLDER... with the vectors of vectors.py in the folders. Each set also counts with a weaker dense half (the first 64
dimensions) and a weaker lexical half (half of the vocabulary unknown), so that which half is the stronger differs.
"""

import json
import subprocess
import sys
from pathlib import Path

import numpy
from scipy.ndimage import gaussian_filter1d
from scipy.optimize import minimize
from scipy.sparse import csr_matrix

DEPTH = 100
STEPS = 20
RIDGE = 2e-3


def rows(path):
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def terms(analyse, texts):
    given = "\n".join(json.dumps(text) for text in texts) + "\n"
    found = subprocess.run([analyse], input=given, capture_output=True, text=True, check=True)
    return [json.loads(line) for line in found.stdout.splitlines()]


def counts(documents, vocabulary):
    where = [(n, vocabulary[t]) for n, document in enumerate(documents) for t in document if t in vocabulary]
    row, column = zip(*where)
    return csr_matrix((numpy.ones(len(where)), (row, column)), shape=(len(documents), len(vocabulary)))


def ndcg(ranking, grades):
    gain = sum(grades.get(int(d), 0) / numpy.log2(n + 2) for n, d in enumerate(ranking[:10]))
    return gain / sum(g / numpy.log2(n + 2) for n, g in enumerate(sorted(grades.values(), reverse=True)[:10]))


def standard(scores):
    return (scores - scores.mean()) / (scores.std() + 1e-6)


def read(analyse, folder):
    """Per variant of a set: features, nDCG@10 for each weight, nDCG@10 of both halves."""
    corpus, queries = rows(folder / "corpus.jsonl"), rows(folder / "queries.jsonl")
    place = {row["_id"]: n for n, row in enumerate(corpus)}
    judged = {}
    for line in (folder / "qrels" / "test.tsv").read_text(encoding="utf-8").splitlines()[1:]:
        query, document, grade = line.split("\t")
        judged.setdefault(query, {})[place[document]] = int(grade)
    titles, bodies = terms(analyse, [row["title"] for row in corpus]), terms(analyse, [row["text"] for row in corpus])
    documents, asked = [2 * t + b for t, b in zip(titles, bodies)], terms(analyse, [row["text"] for row in queries])
    vocabulary = {}
    for term in (t for document in documents for t in document):
        vocabulary.setdefault(term, len(vocabulary))
    times = counts(documents, vocabulary)
    total = len(documents)
    holders = numpy.bincount(times.indices, minlength=len(vocabulary))
    idf, rarest = numpy.log(1 + (total - holders + 0.5) / (holders + 0.5)), numpy.log(1 + (total + 0.5) / 0.5)
    length = numpy.asarray(times.sum(1)).ravel()
    spread = times.tocoo()
    norm = 0.9 * (0.6 + 0.4 * length / max(length.mean(), 1))
    weights = csr_matrix((spread.data / (spread.data + norm[spread.row]) * idf[spread.col], (spread.row, spread.col)), shape=times.shape)
    wanted = counts(asked, vocabulary)
    worth = wanted @ idf + rarest * numpy.array([sum(t not in vocabulary for t in a) for a in asked])
    digits = [sum(any(c.isdigit() for c in t) for t in a) / max(len(a), 1) for a in asked]
    vectors = [numpy.fromfile(folder / f"{name}.f32", dtype="<f4").reshape(n, -1) for name, n in (("queries", len(queries)), ("documents", total))]
    lexical, dense = (wanted @ weights.T).toarray(), vectors[0] @ vectors[1].T
    short = [v[:, :64] / numpy.linalg.norm(v[:, :64], axis=1, keepdims=True) for v in vectors]
    known = numpy.random.default_rng(1).random(len(vocabulary)) < 0.5
    variants = {
        "": (lexical, dense),
        " -dense": (lexical, short[0] @ short[1].T),
        " -lexical": ((wanted.multiply(known).tocsr() @ weights.T).toarray(), dense),
    }
    for name, (left, right) in variants.items():
        features, values, halves = [], [], []
        for n, query in enumerate(queries):
            grades = judged.get(query["_id"])
            if not grades:
                continue
            words = numpy.argsort(-left[n], kind="stable")[:DEPTH]
            words, near = words[left[n][words] > 0], numpy.argsort(-right[n], kind="stable")[:DEPTH]
            both = numpy.union1d(words, near)
            a, b = standard(left[n][both]), standard(right[n][both])
            joined = [(1 - w) * a + w * b for w in numpy.linspace(0, 1, STEPS + 1)]
            values.append([ndcg(both[numpy.argsort(-scores, kind="stable")], grades) for scores in joined])
            features.append([left[n].max() / max(worth[n], 1e-6), digits[n]])
            halves.append([ndcg(words, grades), ndcg(near, grades)])
        yield folder.name, name, numpy.array(features), numpy.array(values), numpy.array(halves)


def share(theta, features):
    return 1 / (1 + numpy.exp(-(theta[0] + features @ theta[1:])))


def between(values, weights):
    at = weights * STEPS
    low = numpy.minimum(at.astype(int), STEPS - 1)
    n = numpy.arange(len(values))
    step = values[n, low + 1] - values[n, low]
    return values[n, low] + (at - low) * step, step * STEPS


def fit(sets):
    spread = numpy.vstack([features for _, _, features, _, _ in sets]).std(0)
    smooth = [(features, gaussian_filter1d(values, 1.0, axis=1, mode="nearest")) for _, _, features, values, _ in sets]

    def loss(theta):
        total, slope = 0.0, numpy.zeros(3)
        for features, values in smooth:
            weights = share(theta, features)
            value, step = between(values, weights)
            step = step * weights * (1 - weights)
            total += value.mean()
            slope += numpy.concatenate([[step.mean()], (step[:, None] * features).mean(0)])
        ridge = RIDGE * spread**2
        penalty, pull = (ridge * theta[1:] ** 2).sum(), numpy.concatenate([[0], 2 * ridge * theta[1:]])
        return -total / len(smooth) + penalty, -slope / len(smooth) + pull

    return minimize(loss, numpy.zeros(3), jac=True, method="L-BFGS-B").x


def main():
    sets = [found for folder in map(Path, sys.argv[2:]) for found in read(sys.argv[1], folder)]
    print(f"{'set':<26}{'lexical':>9}{'dense':>9}{'fixed .5':>10}{'learned':>10}   (set left out while learning)")
    gains = []
    for name, variant, features, values, halves in sets:
        best = halves.mean(0).max()
        theta = fit([other for other in sets if other[0] != name])
        gain = [values[:, STEPS // 2].mean() - best, between(values, share(theta, features))[0].mean() - best]
        gains.append(gain)
        print(f"{name + variant:<26}{halves[:, 0].mean():>9.3f}{halves[:, 1].mean():>9.3f}{gain[0]:>+10.3f}{gain[1]:>+10.3f}")
    gains = numpy.array(gains)
    print(f"{'mean':<44}{gains[:, 0].mean():>+10.3f}{gains[:, 1].mean():>+10.3f}")
    print(f"{'least':<44}{gains[:, 0].min():>+10.3f}{gains[:, 1].min():>+10.3f}")
    print("learned from all: constant, reach, identifiers =", fit(sets).round(2))


main()
