"""Builds all-MiniLM-L6-v2 as one ONNX graph from its safetensors, with numpy and onnx alone.

Usage: convert.py MODEL_DIR OUT.onnx

MODEL_DIR holds `config.json` and `model.safetensors` of sentence-transformers/all-MiniLM-L6-v2 (BERT, 6 layers, hidden size 384).
The graph takes `input_ids` and `attention_mask` (batch x tokens, int64) and gives `embedding` (batch x 384, unit length): mean
pooling over the mask and L2 normalisation are inside, so that nothing else has to know them. Opset 17. The output is a function
of the input alone: the same bytes on every run with the same onnx release.
"""

import json
import math
import struct
import sys
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

MASKED = -1e9  # added to the attention scores of padding: its softmax is 0 in f32


def read_safetensors(path):
    """Returns the f32 tensors of a safetensors file (8 bytes of header length, JSON header, data)."""
    data = path.read_bytes()
    (header_bytes,) = struct.unpack_from("<Q", data)
    header = json.loads(data[8 : 8 + header_bytes])
    body = memoryview(data)[8 + header_bytes :]
    return {
        name: np.frombuffer(body[slice(*entry["data_offsets"])], dtype="<f4").reshape(entry["shape"])
        for name, entry in header.items()
        if name != "__metadata__" and entry["dtype"] == "F32"
    }


class Graph:
    """Collects nodes and constants; every method returns the name of the value it adds."""

    def __init__(self, weights):
        self.weights, self.nodes, self.constants = weights, [], {}

    def constant(self, name, value):
        if name not in self.constants:
            self.constants[name] = numpy_helper.from_array(np.ascontiguousarray(value), name)
        return name

    def weight(self, name, transposed=False):
        value = self.weights[name]
        return self.constant(name, value.T if transposed else value)

    def ints(self, name, *values):
        return self.constant(name, np.array(values, np.int64))

    def scalar(self, name, value):
        return self.constant(name, np.array(value, np.float32))

    def node(self, op, *inputs, output=None, **attributes):
        output = output or f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, list(inputs), [output], **attributes))
        return output

    def linear(self, x, name):
        product = self.node("MatMul", x, self.weight(f"{name}.weight", transposed=True))
        return self.node("Add", product, self.weight(f"{name}.bias"))

    def layer_norm(self, x, name, epsilon):
        return self.node(
            "LayerNormalization", x, self.weight(f"{name}.weight"), self.weight(f"{name}.bias"), axis=-1, epsilon=epsilon
        )

    def gelu(self, x):
        erf = self.node("Erf", self.node("Div", x, self.scalar("sqrt2", math.sqrt(2))))
        return self.node("Mul", self.node("Mul", x, self.node("Add", erf, self.scalar("one", 1))), self.scalar("half", 0.5))


def embeddings(graph, epsilon):
    tokens = graph.node("Slice", graph.node("Shape", "input_ids"), graph.ints("1", 1), graph.ints("2", 2), graph.ints("0", 0))
    words = graph.node("Gather", graph.weight("embeddings.word_embeddings.weight"), "input_ids")
    positions = graph.node(
        "Slice", graph.weight("embeddings.position_embeddings.weight"), graph.ints("0", 0), tokens, graph.ints("0", 0)
    )
    types = graph.constant("token_type_0", graph.weights["embeddings.token_type_embeddings.weight"][0])
    x = graph.node("Add", graph.node("Add", words, types), positions)
    return graph.layer_norm(x, "embeddings.LayerNorm", epsilon)


def encoder_layer(graph, x, name, config, masked):
    heads, epsilon = config["num_attention_heads"], config["layer_norm_eps"]
    size = config["hidden_size"] // heads
    split = graph.ints("split_heads", 0, 0, heads, size)

    def head(part, perm):
        projected = graph.linear(x, f"{name}.attention.self.{part}")
        return graph.node("Transpose", graph.node("Reshape", projected, split), perm=perm)

    query, key, value = head("query", [0, 2, 1, 3]), head("key", [0, 2, 3, 1]), head("value", [0, 2, 1, 3])
    scores = graph.node("Mul", graph.node("MatMul", query, key), graph.scalar("scale", 1 / math.sqrt(size)))
    shares = graph.node("Softmax", graph.node("Add", scores, masked), axis=-1)
    context = graph.node("Transpose", graph.node("MatMul", shares, value), perm=[0, 2, 1, 3])
    context = graph.node("Reshape", context, graph.ints("join_heads", 0, 0, config["hidden_size"]))
    attended = graph.node("Add", graph.linear(context, f"{name}.attention.output.dense"), x)
    x = graph.layer_norm(attended, f"{name}.attention.output.LayerNorm", epsilon)
    inner = graph.gelu(graph.linear(x, f"{name}.intermediate.dense"))
    return graph.layer_norm(graph.node("Add", graph.linear(inner, f"{name}.output.dense"), x), f"{name}.output.LayerNorm", epsilon)


def pool(graph, x, mask):
    weights = graph.node("Unsqueeze", mask, graph.ints("2", 2))
    total = graph.node("ReduceSum", graph.node("Mul", x, weights), graph.ints("1", 1), keepdims=0)
    count = graph.node("ReduceSum", weights, graph.ints("1", 1), keepdims=0)
    mean = graph.node("Div", total, count)
    graph.node("LpNormalization", mean, output="embedding", axis=-1, p=2)


def build(config, weights):
    graph = Graph(weights)
    mask = graph.node("Cast", "attention_mask", to=TensorProto.FLOAT)
    absent = graph.node("Sub", graph.scalar("one", 1), mask)
    masked = graph.node("Unsqueeze", graph.node("Mul", absent, graph.scalar("masked", MASKED)), graph.ints("1,2", 1, 2))
    x = embeddings(graph, config["layer_norm_eps"])
    for layer in range(config["num_hidden_layers"]):
        x = encoder_layer(graph, x, f"encoder.layer.{layer}", config, masked)
    pool(graph, x, mask)
    shape = ["batch", "tokens"]
    inputs = [helper.make_tensor_value_info(name, TensorProto.INT64, shape) for name in ("input_ids", "attention_mask")]
    outputs = [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["batch", config["hidden_size"]])]
    body = helper.make_graph(graph.nodes, "all-MiniLM-L6-v2", inputs, outputs, list(graph.constants.values()))
    model = helper.make_model(body, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return model


def main():
    if len(sys.argv) != 3:
        sys.exit("usage: convert.py MODEL_DIR OUT.onnx")
    source, out = Path(sys.argv[1]), Path(sys.argv[2])
    config = json.loads((source / "config.json").read_text())
    model = build(config, read_safetensors(source / "model.safetensors"))
    out.write_bytes(model.SerializeToString(deterministic=True))


if __name__ == "__main__":
    main()
