"""The two towers as ONNX files with small weights."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator
from torch import Tensor, nn

from training.model import GarmentHead, ImageHead, ImageTower, TextHead
from training.texts import MiniLM
from training.trunk import NormedConv

__all__ = ["OPSET", "fold_pads", "write_image_graphs", "write_text_graph"]

OPSET = 17
LARGE = 4096  # values of a weight that is worth storing small


class Pixels(nn.Module):
    """The image tower on (n, s, s, 3) uint8: the vector, and the grids that finding garments goes on from."""

    def __init__(self, tower: ImageTower) -> None:
        super().__init__()
        self.tower = tower

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        grids = self.tower.grids(pixels.permute(0, 3, 1, 2).to(torch.float32) / 255)
        vector: Tensor = self.tower.head(grids.fine, grids.coarse, grids.samples)
        return vector, grids.detail, grids.fine, grids.coarse, grids.samples


class Find(nn.Module):
    """Scores (n, kinds, g, g) and boxes (n, kinds, 4, g, g) as shares of the side: left, top, right, bottom."""

    def __init__(self, head: GarmentHead) -> None:
        super().__init__()
        self.head = head

    def forward(self, detail: Tensor, fine: Tensor, coarse: Tensor) -> tuple[Tensor, Tensor]:
        logits, sides = self.head(detail, fine, coarse)
        cells = int(fine.shape[2])
        centre = (torch.arange(cells, dtype=torch.float32) + 0.5) / cells
        x, y = centre.view(1, 1, 1, cells), centre.view(1, 1, cells, 1)
        left, top, right, bottom = (sides[:, :, n] for n in range(4))
        return logits.sigmoid(), torch.stack([x - left, y - top, x + right, y + bottom], 2)


class Region(nn.Module):
    """The vector of a region of grids, and where its colours were looked at."""

    def __init__(self, head: ImageHead) -> None:
        super().__init__()
        self.head = head

    def forward(self, fine: Tensor, coarse: Tensor, samples: Tensor, region: Tensor) -> tuple[Tensor, Tensor]:
        return self.head.looked(fine, coarse, samples, region)


class Sentence(nn.Module):
    """Sentence encoder and text head as one."""

    def __init__(self, encoder: MiniLM, head: TextHead) -> None:
        super().__init__()
        self.encoder, self.head = encoder, head

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        out: Tensor = self.head(self.encoder(input_ids, attention_mask))
        return out


GRIDS = ("detail", "fine", "coarse", "samples")


def write_image_graphs(tower: ImageTower, size: int, folder: Path) -> None:
    """Write image.onnx, find.onnx and region.onnx for photos of one size, weights stored as 16-bit floats."""
    tower = copy.deepcopy(tower).eval().to(memory_format=torch.contiguous_format)
    for module in tower.modules():
        if isinstance(module, NormedConv):
            module.fuse()
    pixels = torch.zeros(2, size, size, 3, dtype=torch.uint8)
    with torch.no_grad():
        _, detail, fine, coarse, samples = Pixels(tower)(pixels)
    region = torch.ones(2, 1, *fine.shape[2:])
    write(Pixels(tower), {"pixels": pixels}, ("embedding", *GRIDS), folder / "image.onnx")
    inputs = {"detail": detail, "fine": fine, "coarse": coarse}
    write(Find(tower.garments), inputs, ("scores", "boxes"), folder / "find.onnx")
    inputs = {"fine": fine, "coarse": coarse, "samples": samples, "region": region}
    write(Region(tower.head), inputs, ("embedding", "attention"), folder / "region.onnx")


def write(module: nn.Module, inputs: dict[str, Tensor], outputs: tuple[str, ...], path: Path) -> None:
    """Write one graph, its first axis free."""
    torch.onnx.export(module.eval(), tuple(inputs.values()), str(path), dynamo=False, opset_version=OPSET, input_names=list(inputs),
                      output_names=list(outputs), dynamic_axes={name: {0: "n"} for name in (*inputs, *outputs)})  # fmt: skip
    graph = onnx.load(str(path))
    fold_pads(graph)
    store_half(graph)
    finish(graph, path)


def fold_pads(graph: Any) -> None:
    """Zeros that a Pad puts around a convolution's grid become the convolution's own padding.

    A Pad of its own takes the grid out of the blocked layout that onnxruntime computes in: a third of the tower's time.
    """
    for pad in [node for node in graph.graph.node if node.op_type == "Pad"]:
        convolutions = users(graph, pad.output[0])
        if any(node.op_type != "Conv" for node in convolutions):
            continue
        before, after = constant(graph, pad.input[1]).reshape(2, 4)[:, 2:].tolist()
        for node in convolutions:
            own = next((a for a in node.attribute if a.name == "pads"), None)
            sides = [a + b for a, b in zip(own.ints if own else [0] * 4, before + after, strict=True)]
            if own:
                node.attribute.remove(own)
            node.attribute.append(helper.make_attribute("pads", sides))
            node.input[0] = pad.input[0]
        graph.graph.node.remove(pad)
    prune(graph)


def constant(graph: Any, name: str) -> Any:
    """What a value that depends on no input is."""
    part = onnx.ModelProto()
    part.CopyFrom(graph)
    del part.graph.input[:], part.graph.output[:]
    part.graph.output.append(helper.make_tensor_value_info(name, TensorProto.INT64, None))
    prune(part)
    return ReferenceEvaluator(part).run(None, {})[0]


def prune(graph: Any) -> None:
    """Nodes and weights that no output needs go."""
    wanted = {value.name for value in graph.graph.output}
    for node in reversed(list(graph.graph.node)):
        if wanted.isdisjoint(node.output):
            graph.graph.node.remove(node)
        else:
            wanted.update(node.input)
    for tensor in [t for t in graph.graph.initializer if t.name not in wanted]:
        graph.graph.initializer.remove(tensor)


def write_text_graph(encoder: MiniLM, head: TextHead, path: Path) -> None:
    """Write the text tower, the encoder's weights stored as 8-bit integers with a scale per channel."""
    whole = Sentence(encoder, copy.deepcopy(head).eval()).eval()
    ids = torch.ones(2, 7, dtype=torch.int64)
    axes = {0: "n", 1: "t"}
    torch.onnx.export(whole, (ids, ids), str(path), dynamo=False, opset_version=OPSET, input_names=["input_ids", "attention_mask"],
                      output_names=["embedding"], dynamic_axes={"input_ids": axes, "attention_mask": axes, "embedding": {0: "n"}})  # fmt: skip
    graph = onnx.load(str(path))
    head_shapes = {tuple(p.shape) for p in head.parameters()} | {tuple(p.shape[::-1]) for p in head.parameters()}
    store_bytes(graph, keep=head_shapes)
    store_half(graph)
    finish(graph, path)


def users(graph: Any, name: str) -> list[Any]:
    """Nodes that read a value."""
    return [node for node in graph.graph.node if name in node.input]


def store_half(graph: Any) -> None:
    """Large 32-bit weights become 16-bit ones with a cast; runtimes fold the cast when they load."""
    for tensor in list(graph.graph.initializer):
        values = numpy_helper.to_array(tensor)
        if tensor.data_type != TensorProto.FLOAT or values.size < LARGE:
            continue
        name = tensor.name
        graph.graph.initializer.remove(tensor)
        graph.graph.initializer.append(numpy_helper.from_array(values.astype(np.float16), f"{name}_half"))
        graph.graph.node.insert(0, helper.make_node("Cast", [f"{name}_half"], [name], to=TensorProto.FLOAT))


def store_bytes(graph: Any, keep: set[tuple[int, ...]]) -> None:
    """Matrices become 8-bit integers times a scale: per output column, or per row of a word table."""
    for tensor in list(graph.graph.initializer):
        values = numpy_helper.to_array(tensor)
        if tensor.data_type != TensorProto.FLOAT or values.ndim != 2 or values.size < LARGE or values.shape in keep:
            continue
        name, found = tensor.name, users(graph, tensor.name)
        table = all(node.op_type == "Gather" for node in found)
        axis = 0 if table or all(n.op_type == "Gemm" for n in found) else 1
        scale = np.maximum(np.abs(values).max(1 - axis, keepdims=True), 1e-8) / 127
        graph.graph.initializer.remove(tensor)
        graph.graph.initializer.append(
            numpy_helper.from_array(np.round(values / scale).astype(np.int8), f"{name}_int8")
        )
        graph.graph.initializer.append(numpy_helper.from_array(scale.astype(np.float32), f"{name}_scale"))
        if table:
            gather_bytes(graph, name, found)
            continue
        nodes = [helper.make_node("Cast", [f"{name}_int8"], [f"{name}_cast"], to=TensorProto.FLOAT),
                 helper.make_node("Mul", [f"{name}_cast", f"{name}_scale"], [name])]  # fmt: skip
        for node in reversed(nodes):
            graph.graph.node.insert(0, node)


def gather_bytes(graph: Any, name: str, found: list[Any]) -> None:
    """Rows of a table are picked before they are scaled."""
    for gather in found:
        out, place = gather.output[0], list(graph.graph.node).index(gather)
        gather.input[0], gather.output[0] = f"{name}_int8", f"{out}_int8"
        nodes = [helper.make_node("Cast", [f"{out}_int8"], [f"{out}_cast"], to=TensorProto.FLOAT),
                 helper.make_node("Gather", [f"{name}_scale", gather.input[1]], [f"{out}_scale"]),
                 helper.make_node("Mul", [f"{out}_cast", f"{out}_scale"], [out])]  # fmt: skip
        for offset, node in enumerate(nodes, 1):
            graph.graph.node.insert(place + offset, node)


def finish(graph: Any, path: Path) -> None:
    """Check the graph and write it."""
    onnx.checker.check_model(graph)
    onnx.save(graph, str(path))
