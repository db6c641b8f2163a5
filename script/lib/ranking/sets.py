"""Makes judged sets that are harder than PubMedQA itself, from it and from the library. Called by script/fusion-comparison.

Usage: sets.py PUBMEDQA_FOLDER TARGET. A set that is there already is left as it is. The draws are seeded.
"""

import json
import random
import re
import sys
from pathlib import Path

LIBRARY = Path("catalogue/library")
ANSWERS = [Path("catalogue/eval/answers.jsonl"), Path("catalogue/eval/answers_holdout.jsonl")]
# Facts that more sections hold say nothing about where the answer stands.
HOLDERS_MAX = 12
FUNCTION_WORDS = set(
    "is are does do the a an of in for to and or on by with it can be from at as than after what how should we there between among".split()
)


def rows(path):
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file if line.strip()]


def sections():
    found = []
    for path in sorted(LIBRARY.glob("*/*.md")):
        _, front, body = path.read_text(encoding="utf-8").split("+++", 2)
        value = lambda key: (re.search(rf'^{key} = "(.*)"$', front, re.M) or [None, ""])[1]
        names = re.search(r"^identifiers = \[(.*)\]$", front, re.M)
        for number, part in enumerate(re.split(r"^## ", body, flags=re.M)[1:]):
            head, _, text = part.partition("\n")
            found.append(
                {
                    "id": f"{value('slug')}#{number}",
                    "slug": value("slug"),
                    "title": value("title"),
                    "head": head.strip(),
                    "text": text.strip(),
                    "identifiers": re.findall(r'"([^"]+)"', names[1]) if names else [],
                }
            )
    return found


def sentences(text, words):
    pieces = re.split(r"\n|(?<=[.?!])\s+(?=[A-Z0-9])", text)
    return [s for s in (piece.lstrip("- ").strip() for piece in pieces) if len(s.split()) >= words]


def write(target, documents, queries, judged):
    if target.exists():
        return
    (target / "qrels").mkdir(parents=True)
    queries = [query for query in queries if judged.get(query[0])]
    with open(target / "corpus.jsonl", "w", encoding="utf-8") as out:
        out.writelines(json.dumps({"_id": i, "title": title, "text": text}) + "\n" for i, title, text in documents)
    with open(target / "queries.jsonl", "w", encoding="utf-8") as out:
        out.writelines(json.dumps({"_id": i, "text": text}) + "\n" for i, text in queries)
    with open(target / "qrels" / "test.tsv", "w", encoding="utf-8") as out:
        out.write("query-id\tcorpus-id\tscore\n")
        out.writelines(f"{q}\t{d}\t{grade}\n" for q, _ in queries for d, grade in judged[q].items())
    print(f"{target}: {len(documents)} passages, {len(queries)} questions", file=sys.stderr)


def without_one(texts, words, draw):
    """Takes one sentence out of each text and asks with it."""
    documents, queries, judged = [], [], {}
    for name, text in texts:
        parts = sentences(text, words)
        if len(parts) < 3:
            documents.append((name, "", text))
            continue
        taken = draw.randrange(len(parts))
        documents.append((name, "", " ".join(part for n, part in enumerate(parts) if n != taken)))
        queries.append((f"of {name}", parts[taken]))
        judged[f"of {name}"] = {name: 1}
    return documents, queries, judged


def main():
    source, target, draw = Path(sys.argv[1]), Path(sys.argv[2]), random.Random(7)
    abstracts = [(row["_id"], row["text"]) for row in rows(source / "corpus.jsonl")]
    questions = [(row["_id"], row["text"]) for row in rows(source / "queries.jsonl")]
    judged = {}
    for path in sorted((source / "qrels").glob("*.tsv")):
        for line in path.read_text(encoding="utf-8").splitlines()[1:]:
            query, document, grade = line.split("\t")
            judged.setdefault(query, {})[document] = int(grade)
    plain = [(name, "", text) for name, text in abstracts]
    write(target / "pm-plain", plain, questions, judged)
    keywords = []
    for name, text in questions:
        words = [word for word in re.findall(r"[\w'-]+", text) if word.lower() not in FUNCTION_WORDS]
        kept = set(draw.sample(words, min(2, len(words))))
        keywords.append((name, " ".join(word for word in words if word in kept)))
    write(target / "pm-keywords", plain, keywords, judged)
    write(target / "pm-ict", *without_one(abstracts, 5, draw))
    parts = {name: sentences(text, 5) for name, text in abstracts}
    split = [(f"{name}-{n}", "", part) for name, found in parts.items() for n, part in enumerate(found)]
    wanted = {q: {f"{d}-{n}": 1 for d in found for n in range(len(parts.get(d, [])))} for q, found in judged.items()}
    write(target / "pm-sentences", split, draw.sample(questions, 500), wanted)

    library = sections()
    bare = [(s["id"], "", s["text"]) for s in library]
    whole = [(s["id"], f"{s['title']} - {s['head']}", s["text"]) for s in library]
    by_article = {f"h {s['id']}": {t["id"]: 2 if t is s else 1 for t in library if t["slug"] == s["slug"]} for s in library}
    heads = [(f"h {s['id']}", f"{s['title']}: {s['head']}") for s in library if draw.random() < 0.5]
    write(target / "lib-headings", bare + plain, heads, by_article)
    documents, queries, found = without_one([(s["id"], s["text"]) for s in library], 6, draw)
    write(target / "lib-ict", documents + plain, queries, found)
    split, queries, found = [], [], {}
    for s in library:
        name = f"s {s['id']}"
        for n, part in enumerate(sentences(s["text"], 4)):
            split.append((f"{s['id']}.{n}", "", part))
            found.setdefault(name, {})[f"{s['id']}.{n}"] = 1
        queries.append((name, f"{s['title'].split(':')[0]}: {s['head']}"))
    write(target / "lib-sentences", split, draw.sample(queries, min(500, len(queries))), found)
    queries, found = [], {}
    for row in (row for path in ANSWERS for row in rows(path)):
        grades = {}
        for spellings in row.get("facts", []):
            holders = [s["id"] for s in library if any(spelling.lower() in s["text"].lower() for spelling in spellings)]
            for holder in holders if len(holders) <= HOLDERS_MAX else []:
                grades[holder] = grades.get(holder, 0) + 1
        queries.append((row["id"], row["question"]))
        found[row["id"]] = grades
    write(target / "lib-answers", whole + plain, queries, found)
    names = sorted({name for s in library for name in s["identifiers"]})
    found = {f"id {name}": {s["id"]: 1 for s in library if name.lower() in s["text"].lower()} for name in names}
    found = {name: grades for name, grades in found.items() if len(grades) <= 10}
    write(target / "lib-ids", whole + plain, [(f"id {name}", name) for name in names], found)


main()
