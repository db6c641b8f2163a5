"""Embeds the documents and queries of BEIR folders into documents.f32 and queries.f32. Called by script/fusion-comparison.

Usage: vectors.py MODEL_FOLDER FOLDER...
"""

import json
import sys
from pathlib import Path

import numpy
import onnxruntime
from tokenizers import Tokenizer

BATCH = 32
TOKENS_MAX = 256


class Model:
    def __init__(self, folder):
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.tokenizer.enable_truncation(TOKENS_MAX)
        self.tokenizer.enable_padding(length=None)
        self.session = onnxruntime.InferenceSession(str(folder / "minilm.onnx"))
        self.types = {given.name: numpy.int64 if "int64" in given.type else numpy.int32 for given in self.session.get_inputs()}
        self.known = {}

    def rows(self, texts):
        new = sorted({text for text in texts if text not in self.known}, key=len)
        for start in range(0, len(new), BATCH):
            batch = new[start : start + BATCH]
            read = self.tokenizer.encode_batch(batch)
            given = {"input_ids": [r.ids for r in read], "attention_mask": [r.attention_mask for r in read]}
            given = {name: numpy.array(rows, dtype=self.types[name]) for name, rows in given.items()}
            self.known.update(zip(batch, self.session.run(["embedding"], given)[0]))
        return numpy.array([self.known[text] for text in texts], dtype="<f4")


def main():
    model = Model(Path(sys.argv[1]))
    for folder in map(Path, sys.argv[2:]):
        for name, source in (("documents", "corpus.jsonl"), ("queries", "queries.jsonl")):
            target = folder / f"{name}.f32"
            if target.exists():
                continue
            with open(folder / source, encoding="utf-8") as file:
                rows = [json.loads(line) for line in file]
            texts = [f"{row['title']}\n{row['text']}" if row.get("title") else row["text"] for row in rows]
            model.rows(texts).tofile(target)
            print(f"{target}: {len(rows)} rows", file=sys.stderr, flush=True)


main()
