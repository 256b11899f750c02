"""Towers of an open_clip model as ONNX graphs."""

from __future__ import annotations

import contextlib
import io
import shutil
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trendloom.errors import ArtifactError
from trendloom.vision.open_clip.loading import Loaded
from trendloom.vision.session import OnnxSession

__all__ = ["OPSET", "gather_weights", "write_graphs"]

OPSET = 17
_SAID = 300
_SHORT = ("a photo of a red striped dress", "a red dress", "x")  # the longest first
_SAME = 0.99999


def write_graphs(loaded: Loaded, folder: Path, *, context_length: int) -> tuple[list[str], bool]:
    """Returns the names of the files written, and whether texts may be shorter than `context_length`.

    image.onnx: `pixels` uint8 (n, size, size, 3) to `embedding` float32 (n, dim), unit rows; normalisation is inside.
    text.onnx: `input_ids`, `attention_mask` int64 (n, t) to `embedding`; the mask has no say.
    Weights lie in a file of their own where a graph is over 2 GB.

    Raises:
        ArtifactError: a tower cannot be exported.
    """
    import torch  # noqa: PLC0415  an extra

    model = loaded.model
    mean, std = (torch.tensor(v, dtype=torch.float32).view(1, 3, 1, 1) for v in (loaded.mean, loaded.std))
    reader = _causal_reader(model, context_length)

    def images(pixels: Any) -> Any:
        photo = pixels.permute(0, 3, 1, 2).to(torch.float32) / 255
        return model.encode_image((photo - mean) / std, normalize=True)

    def texts(input_ids: Any, attention_mask: Any) -> Any:
        with _shortened(reader, input_ids.shape[1]):
            return model.encode_text(input_ids + attention_mask * 0, normalize=True)

    pixels = torch.zeros(2, loaded.size, loaded.size, 3, dtype=torch.uint8)
    _export(model, images, (pixels,), folder / "image.onnx", {"pixels": {0: "n"}})
    ids = loaded.tokenizer(list(_SHORT))
    short = reader is not None
    while True:  # once more at the full length where shorter texts are not read as they should be
        sizes = {0: "n", 1: "t"} if short else {0: "n"}
        given = {"input_ids": sizes, "attention_mask": sizes}
        _export(model, texts, (ids, torch.ones_like(ids)), folder / "text.onnx", given)
        if not short or _reads_short(folder / "text.onnx", ids.numpy()):
            break
        shutil.rmtree(folder / "text")
        short, reader = False, None
    return [name for tower in ("image", "text") for name in gather_weights(folder / f"{tower}.onnx")], short


def _reads_short(path: Path, ids: NDArray[np.int64]) -> bool:
    """Returns whether a text gets its vector whether or not what pads it is there."""
    end = int((ids[0] != ids[0, -1]).nonzero()[0][-1]) + 1  # the first text is the longest of them
    try:
        session = OnnxSession(path.parent / path.stem / path.name)
        whole = session.run({"input_ids": ids, "attention_mask": np.ones_like(ids)})
        short = session.run({"input_ids": ids[:, :end], "attention_mask": np.ones_like(ids[:, :end])})
    except ArtifactError:
        return False
    return bool(((whole * short).sum(axis=1) > _SAME).all())


def _causal_reader(model: Any, context_length: int) -> Any:
    """Returns the module that reads texts if what follows a text's end cannot change its vector, else None.

    That is so where no word sees a later one and the vector is the one at the end of the text.
    """
    reader = getattr(model, "text", model)
    mask, places = getattr(reader, "attn_mask", None), getattr(reader, "positional_embedding", None)
    pooled = getattr(reader, "text_pool_type", getattr(reader, "pool_type", ""))
    if pooled not in ("argmax", "eos") or getattr(reader, "cls_emb", None) is not None:
        return None
    if mask is None or places is None or tuple(mask.shape) != (context_length, context_length):
        return None
    later = mask.isneginf().triu(1).sum()
    return reader if int(later) == context_length * (context_length - 1) // 2 and places.ndim == 2 else None


def _projected(query: Any, key: Any, value: Any, weight: Any, bias: Any = None) -> list[Any]:
    """Returns what attention compares: `query`, `key` and `value`, each through its third of the weights."""
    from torch.nn import functional  # noqa: PLC0415  an extra

    biases = [None] * 3 if bias is None else bias.chunk(3)
    return [functional.linear(x, w, b) for x, w, b in zip((query, key, value), weight.chunk(3), biases, strict=True)]


@contextlib.contextmanager
def _shortened(reader: Any, length: Any) -> Iterator[None]:
    """Lets a causal reader take texts of `length` ids while it is traced: its mask and places end there."""
    if reader is None:
        yield
        return
    from torch.nn import functional  # noqa: PLC0415  an extra

    mask, places = reader.attn_mask, reader.positional_embedding
    held = reader._parameters  # in its place: the exporter matches parameters by their order
    reader.attn_mask, held["positional_embedding"] = mask[:length, :length], places[:length]
    packed = functional._in_projection_packed
    functional._in_projection_packed = _projected  # torch's own way loses that the length varies
    try:
        yield
    finally:
        functional._in_projection_packed = packed
        reader.attn_mask, held["positional_embedding"] = mask, places


def _export(
    model: Any, tower: Callable[..., Any], inputs: tuple[Any, ...], path: Path, given: Mapping[str, Mapping[int, str]]
) -> None:
    """Writes one tower; `given` has the inputs with their sizes that vary."""
    import torch  # noqa: PLC0415  an extra

    own, fast = model.forward, torch.backends.mha.get_fastpath_enabled()
    model.forward = tower  # the exporter traces a module's forward
    torch.backends.mha.set_fastpath_enabled(False)  # it fuses attention into what ONNX has no word for
    apart = path.parent / path.stem  # files of their own for weights that the graph cannot hold
    apart.mkdir()
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()), torch.no_grad():
            warnings.simplefilter("ignore")  # the tracer warns of checks on shapes that stay as they are
            torch.onnx.export(
                model,
                inputs,
                str(apart / path.name),
                dynamo=False,
                opset_version=OPSET,
                input_names=list(given),
                output_names=["embedding"],
                dynamic_axes={**given, "embedding": {0: "n"}},
            )
    except OSError:
        raise
    except Exception as exc:  # the exporter raises many kinds on what it cannot express
        raise ArtifactError(f"the {path.stem} tower cannot be exported: {' '.join(str(exc).split())[:_SAID]}") from exc
    finally:
        model.forward = own
        torch.backends.mha.set_fastpath_enabled(fast)


def gather_weights(path: Path) -> list[str]:
    """Returns the files of a graph moved from the folder of its own to where it belongs: one, or two if it is large."""
    import onnx  # noqa: PLC0415  an extra

    apart = path.parent / path.stem
    files = sorted(apart.iterdir())
    if len(files) == 1:
        onnx.checker.check_model(str(files[0]))
        files[0].rename(path)
    else:
        graph = onnx.load(str(apart / path.name))
        onnx.save(
            graph, str(path), save_as_external_data=True, all_tensors_to_one_file=True, location=f"{path.name}.weights"
        )
        for file in files:
            file.unlink()
    apart.rmdir()
    return [path.name] if len(files) == 1 else [path.name, f"{path.name}.weights"]
