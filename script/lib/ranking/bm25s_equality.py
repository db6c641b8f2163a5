"""nDCG@10 of our lexical search and of bm25s on one BEIR folder, both over our terms. Called by script/bm25s-equality."""

import argparse
import json
import math
import os
import subprocess
import sys
from pathlib import Path

import bm25s
import numpy

EXAMPLES = Path(os.environ.get("CARGO_TARGET_DIR", "target")) / "debug" / "examples"
# The index writes a term of the title this often; bm25s has one field.
TITLE_WEIGHT = 2


def rows(path):
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file if line.strip()]


def terms(texts):
    """The terms of each text, by the analysis of the product."""
    given = "\n".join(json.dumps(text) for text in texts) + "\n"
    found = subprocess.run([EXAMPLES / "analyse"], input=given, capture_output=True, text=True, check=True)
    return [json.loads(line) for line in found.stdout.splitlines()]


def ndcg_at_10(ranking, judged):
    gain = sum(judged.get(document, 0) / math.log2(place + 2) for place, document in enumerate(ranking[:10]))
    best = sum(grade / math.log2(place + 2) for place, grade in enumerate(sorted(judged.values(), reverse=True)[:10]))
    return gain / best


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--at-most", type=float, default=0.01)
    given = parser.parse_args()
    corpus, queries = rows(given.folder / "corpus.jsonl"), rows(given.folder / "queries.jsonl")
    judged = {}
    for file in sorted((given.folder / "qrels").glob("*.tsv")):
        for line in file.read_text(encoding="utf-8").splitlines()[1:]:
            query, document, grade = line.split("\t")
            judged.setdefault(query, {})[document] = int(grade)
    queries = [query for query in queries if any(grade > 0 for grade in judged.get(query["_id"], {}).values())]

    titles, bodies = terms([row.get("title", "") for row in corpus]), terms([row["text"] for row in corpus])
    tokens = [title * TITLE_WEIGHT + body for title, body in zip(titles, bodies)]
    vocabulary = {}
    for term in (term for document in tokens for term in document):
        vocabulary.setdefault(term, len(vocabulary))
    index = bm25s.BM25(method="lucene", k1=0.9, b=0.4)
    index.index(([[vocabulary[t] for t in document] for document in tokens], vocabulary), show_progress=False)

    searched = subprocess.run(
        [EXAMPLES / "lexical", given.folder], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    ours = {found["query"]: found["hits"] for found in map(json.loads, searched)}
    sums, differ, apart = [0.0, 0.0], 0, 0.0
    for query, asked in zip(queries, terms([query["text"] for query in queries])):
        scores = index.get_scores_from_ids([vocabulary[t] for t in asked if t in vocabulary])
        order = [n for n in numpy.argsort(-scores, kind="stable")[:10] if scores[n] > 0]
        theirs = [corpus[n]["_id"] for n in order]
        hits = ours[query["_id"]]
        values = [ndcg_at_10([document for document, _ in hits], judged[query["_id"]]), ndcg_at_10(theirs, judged[query["_id"]])]
        sums = [total + value for total, value in zip(sums, values)]
        differ += values[0] != values[1]
        apart = max([apart] + [abs(a - float(scores[b])) / max(float(scores[b]), 1e-9) for (_, a), b in zip(hits, order)])
    ours_mean, theirs_mean = (total / max(len(queries), 1) for total in sums)
    print(f"questions {len(queries)}, documents {len(corpus)}")
    print(f"nDCG@10 of ours  {ours_mean:.4f}\nnDCG@10 of bm25s {theirs_mean:.4f}\ndifference       {abs(ours_mean - theirs_mean):.4f}")
    print(f"questions whose nDCG@10 differs {differ}; largest difference of a score at the same rank {apart:.2%}")
    if not queries or abs(ours_mean - theirs_mean) > given.at_most:
        sys.exit(f"the difference is larger than {given.at_most}")


main()
