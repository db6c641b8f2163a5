"""Words questions otherwise: an acronym for its long form, the long form for an acronym, or a synonym. Called by script/fusion-comparison.

Usage: reworded.py TERMS_FOLDER TARGET FOLDER... keeps of each set the questions that could be worded otherwise.
"""

import json
import re
import shutil
import sys
import tomllib
from pathlib import Path


def main():
    terms = [term for path in sorted(Path(sys.argv[1]).glob("*.toml")) for term in tomllib.loads(path.read_text(encoding="utf-8"))["term"]]
    shorts, longs, synonyms = {}, {}, {}
    for term in terms:
        if term.get("ambiguous"):
            continue
        for long in term["long"] if term["short"] else []:
            shorts.setdefault(long.lower(), term["short"][0])
        for short in term["short"] if term["long"] else []:
            longs.setdefault(short, term["long"][0])
        same = term["long"] + term.get("synonyms", [])
        if not term["short"] and len(same) > 1:
            synonyms[same[0].lower()] = same[1]

    def otherwise(text):
        for table in (shorts, None, synonyms):
            if table is None:
                opened = "".join(longs.get(piece, piece) for piece in re.split(r"(\W+)", text))
                if opened != text:
                    return opened
                continue
            for wording, other in table.items():
                at = text.lower().find(wording)
                if at >= 0:
                    return text[:at] + other + text[at + len(wording) :]
        return None

    for source in map(Path, sys.argv[3:]):
        target = Path(sys.argv[2]) / source.name
        (target / "qrels").mkdir(parents=True, exist_ok=True)
        shutil.copy(source / "corpus.jsonl", target)
        with open(source / "queries.jsonl", encoding="utf-8") as file:
            queries = [(row["_id"], otherwise(row["text"])) for row in map(json.loads, file)]
        kept = {name: text for name, text in queries if text}
        with open(target / "queries.jsonl", "w", encoding="utf-8") as out:
            out.writelines(json.dumps({"_id": name, "text": text}) + "\n" for name, text in kept.items())
        lines = (source / "qrels" / "test.tsv").read_text(encoding="utf-8").splitlines()
        judged = [line for line in lines[1:] if line.split("\t")[0] in kept]
        (target / "qrels" / "test.tsv").write_text("\n".join([lines[0], *judged]) + "\n", encoding="utf-8")


main()
