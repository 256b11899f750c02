"""Graphs of a few nodes as ONNX files, written by hand: the format is protobuf, and the library is no dependency."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from tests.doubles import write_model

__all__ = ["WORDS", "tiny_model"]

FLOAT, UINT8, INT64 = 1, 2, 7
WORDS = {"[UNK]": (1, 1, 1), "red": (4, 1, 1), "green": (1, 4, 1), "blue": (1, 1, 4), "dress": (2, 1, 1)}


def varint(value: int) -> bytes:
    out = b""
    while value > 127:
        out, value = out + bytes([value & 127 | 128]), value >> 7
    return out + bytes([value])


def field(number: int, value: int | bytes | str) -> bytes:
    """A field of a protobuf message: a number, or anything with a length."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    raw = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(raw)) + raw


def node(kind: str, inputs: Sequence[str], output: str, **attributes: int | list[int]) -> bytes:
    """A NodeProto with whole numbers as attributes."""
    made = b"".join(field(1, name) for name in inputs) + field(2, output) + field(4, kind)
    for name, value in attributes.items():
        many = isinstance(value, list)
        values = b"".join(field(8, v) for v in value) if isinstance(value, list) else field(3, value)
        made += field(5, field(1, name) + values + field(20, 7 if many else 2))
    return made


def tensor(name: str, values: Sequence[float], shape: Sequence[int]) -> bytes:
    """A TensorProto of floats."""
    dims = b"".join(field(1, n) for n in shape)
    return dims + field(2, FLOAT) + field(8, name) + field(9, struct.pack(f"<{len(values)}f", *values))


def value(name: str, kind: int, shape: Sequence[int | str]) -> bytes:
    """A ValueInfoProto; a text is the name of a size that varies."""
    dims = b"".join(field(1, field(1, n) if isinstance(n, int) else field(2, n)) for n in shape)
    return field(1, name) + field(2, field(1, field(1, kind) + field(2, dims)))


def graph(nodes: Sequence[bytes], inputs: Sequence[bytes], weights: Sequence[bytes]) -> bytes:
    """A ModelProto of opset 13 with the output `embedding` (n, 3)."""
    body = b"".join(field(1, n) for n in nodes) + field(2, "tiny") + b"".join(field(5, w) for w in weights)
    body += b"".join(field(11, i) for i in inputs) + field(12, value("embedding", FLOAT, ["n", 3]))
    return field(1, 7) + field(7, body) + field(8, field(1, "") + field(2, 13))


def towers(size: int) -> dict[str, bytes]:
    """Both graphs: a photo's mean colour and a text's mean word, as directions in the space of red, green and blue."""
    unit = node("LpNormalization", ["mean"], "embedding", axis=1, p=2)
    image = graph(
        [
            node("Cast", ["pixels"], "float", to=FLOAT),
            node("Add", ["float", "one"], "above"),
            node("ReduceMean", ["above"], "mean", axes=[1, 2], keepdims=0),
            unit,
        ],
        [value("pixels", UINT8, ["n", size, size, 3])],
        [tensor("one", [1.0], [1])],
    )
    text = graph(
        [
            node("Gather", ["words", "input_ids"], "rows", axis=0),
            node("ReduceMean", ["rows"], "mean", axes=[1], keepdims=0),
            unit,
        ],
        [value("input_ids", INT64, ["n", "t"]), value("attention_mask", INT64, ["n", "t"])],
        [tensor("words", [float(v) for row in WORDS.values() for v in row], [len(WORDS), 3])],
    )
    return {"image.onnx": image, "text.onnx": text}


def tokenizer() -> bytes:
    """The file of a tokenizer that knows five words."""
    parts: Mapping[str, object] = {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": [], "normalizer": {"type": "Lowercase"},
        "pre_tokenizer": {"type": "Whitespace"}, "post_processor": None, "decoder": None,
        "model": {"type": "WordLevel", "vocab": {w: n for n, w in enumerate(WORDS)}, "unk_token": "[UNK]"},
    }  # fmt: skip
    return json.dumps(parts).encode()


def tiny_model(folder: Path, **changes: object) -> Path:
    """The folder of a model that runs: 3 dimensions, 16 pixels; `changes` replace fields of its card."""
    content = {**towers(16), "tokenizer.json": tokenizer()}
    return write_model(folder, stored=content, **{"dim": 3, "name": folder.name, **changes})


def direction(*colour: float) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    """The unit vector of a colour."""
    row = np.asarray(colour, dtype=np.float32)
    return row / np.linalg.norm(row)
