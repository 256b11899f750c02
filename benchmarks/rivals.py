"""What a user would write instead, each a whole process: `python -m benchmarks.rivals NAME FOLDER [MODELS]`.

- vit1, vit32: torch and open_clip as its README has it (Pillow, its transforms, ViT-B/32), one photo at a time or 32;
- torch1, torch32: the same loop around the shipped model, rebuilt in torch from the weights of its ONNX file;
- onnx1: onnxruntime around the shipped model, Pillow, one photo at a time;
- fastembed-vit, fastembed: fastembed's `ImageEmbedding` with its own preparation, 32 photos at a time, on ViT-B/32 and on the
  shipped model as it would take them from disk: `MODELS`, which `python -m benchmarks.rivals write MODELS` writes (with torch);
- clip-retrieval: its inference worker on ViT-B/32 from `MODELS`, 32 photos at a time; it names nothing.

Each names a value for 137 prompts by softmax over cosines; ViT-B/32 has random weights, which take the same time.
The last line says how many CPU seconds had passed before the first photo.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

MODEL = Path(__file__).parents[1] / "models" / "fashion-lite"
PROMPTS = 137


def letterboxed(path: Path) -> np.ndarray[Any, np.dtype[np.uint8]]:
    photo = Image.open(path).convert("RGB")
    scale = 224 / max(photo.size)
    small = photo.resize((round(photo.width * scale), round(photo.height * scale)), Image.Resampling.BICUBIC)
    square = Image.new("RGB", (224, 224), (255, 255, 255))
    square.paste(small, ((224 - small.width) // 2, (224 - small.height) // 2))
    return np.asarray(square)


def named(vectors: Any, prompts: Any) -> Any:
    logits = 100 * vectors @ prompts.T
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    return (odds / odds.sum(axis=1, keepdims=True)).argmax(axis=1)


def vit(_: Path) -> Callable[[list[Path]], Any]:
    import open_clip
    import torch

    torch.set_num_threads(1)
    model, _, preprocess = open_clip.create_model_and_transforms("ViT-B-32")
    model.eval()
    prompts = torch.nn.functional.normalize(torch.randn(PROMPTS, 512), dim=1)

    def run(paths: list[Path]) -> Any:
        with torch.no_grad():
            images = torch.stack([preprocess(Image.open(path)) for path in paths])
            vectors = model.encode_image(images)
            vectors /= vectors.norm(dim=-1, keepdim=True)
            return (100.0 * vectors @ prompts.T).softmax(dim=-1).argmax(dim=-1)

    return run


def shipped() -> Any:
    """Returns the shipped image tower in torch; the weights are those of the ONNX file."""
    import onnx
    import torch
    from onnx import numpy_helper

    from training.model import GarmentHead, ImageHead, ImageTower
    from training.trunk import NormedConv, Trunk

    tower = ImageTower(Trunk(), ImageHead(), GarmentHead()).eval()
    for module in tower.modules():
        if isinstance(module, NormedConv):
            module.fuse()
    state = {
        tensor.name.removeprefix("tower.").removesuffix("_half"): torch.from_numpy(
            numpy_helper.to_array(tensor).astype(np.float32)
        )
        for tensor in onnx.load(str(MODEL / "image.onnx")).graph.initializer
        if tensor.name.startswith("tower.")
    }
    own = tower.state_dict()
    absent = [name for name in own if name not in state and not name.startswith("garments.") and "gain" not in name]
    turned = {
        name: value.T if value.shape != own[name].shape else value for name, value in state.items() if name in own
    }
    if absent:
        raise SystemExit(f"expected every weight in image.onnx, missing: {absent[:5]}")
    tower.load_state_dict(turned, strict=False)
    return tower


def torch_same(_: Path) -> Callable[[list[Path]], Any]:
    import torch

    torch.set_num_threads(1)
    tower = shipped()
    prompts = np.random.default_rng(0).normal(size=(PROMPTS, 256)).astype(np.float32)

    def run(paths: list[Path]) -> Any:
        with torch.no_grad():
            pixels = torch.stack([torch.from_numpy(letterboxed(path).copy()) for path in paths])
            return named(tower(pixels.permute(0, 3, 1, 2).float() / 255).numpy(), prompts)

    return run


def onnx_same(_: Path) -> Callable[[list[Path]], Any]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(MODEL / "image.onnx"), options, providers=["CPUExecutionProvider"])
    prompts = np.random.default_rng(0).normal(size=(PROMPTS, 256)).astype(np.float32)
    return lambda paths: named(
        session.run(["embedding"], {"pixels": np.stack([letterboxed(path) for path in paths])})[0], prompts
    )


def write_models(folder: Path) -> None:
    """Writes ViT-B/32 and the shipped image tower as fastembed reads models: a graph that takes floats, and how to prepare."""
    import onnx
    import open_clip
    import torch

    square = {"image_processor_type": "CLIPImageProcessor", "do_resize": True, "size": {"shortest_edge": 224}}
    cut = {**square, "do_center_crop": True, "crop_size": 224, "do_rescale": True}
    mean, std = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
    for name, config in (
        ("vit", {**cut, "do_normalize": True, "image_mean": mean, "image_std": std}),
        ("shipped", cut),
    ):
        (folder / name).mkdir(parents=True)
        (folder / name / "preprocessor_config.json").write_text(json.dumps(config))
    whole = open_clip.create_model("ViT-B-32").eval()
    torch.save(whole.state_dict(), folder / "vit.pt")
    torch.onnx.export(whole.visual, (torch.zeros(2, 3, 224, 224),), str(folder / "vit" / "model.onnx"), dynamo=False, opset_version=17,
                      input_names=["pixel_values"], output_names=["image_embeds"],
                      dynamic_axes={"pixel_values": {0: "n"}, "image_embeds": {0: "n"}})  # fmt: skip
    model = onnx.load(str(MODEL / "image.onnx"))
    graph = model.graph
    value = "pixels"
    for _ in ("to channels", "to floats", "to 0..1"):  # fastembed's work
        node = next(node for node in graph.node if value in node.input)
        value = node.output[0]
        graph.node.remove(node)
    del graph.input[:], graph.output[1:]
    graph.input.append(onnx.helper.make_tensor_value_info(value, onnx.TensorProto.FLOAT, ["n", 3, 224, 224]))
    onnx.save(model, str(folder / "shipped" / "model.onnx"))


def with_fastembed(name: str, dim: int) -> Callable[[Path], Callable[[list[Path]], Any]]:
    def build(models: Path) -> Callable[[list[Path]], Any]:
        os.environ["HF_HUB_OFFLINE"] = "1"
        from fastembed import ImageEmbedding

        model = ImageEmbedding(
            "Qdrant/clip-ViT-B-32-vision", threads=1, cuda=False, specific_model_path=str(models / name)
        )
        prompts = np.random.default_rng(0).normal(size=(PROMPTS, dim)).astype(np.float32)
        return lambda paths: named(np.stack(list(model.embed(list(paths), batch_size=32))), prompts)

    return build


def with_clip_retrieval(models: Path) -> Callable[[list[Path]], Any]:
    os.environ |= {"HF_HUB_OFFLINE": "1", "WANDB_MODE": "disabled"}
    from clip_retrieval.clip_inference.worker import worker

    def run(paths: list[Path]) -> None:
        with tempfile.TemporaryDirectory() as out:
            worker(
                tasks=[0], input_dataset=str(paths[0].parent), output_folder=out, output_partition_count=1, batch_size=32,
                num_prepro_workers=0, enable_text=False, enable_metadata=False, use_jit=False,
                clip_model=f"open_clip:ViT-B-32/{models.resolve() / 'vit.pt'}",
            )  # fmt: skip

    return run


Loop = Callable[[list[Path]], Any]
RIVALS: dict[str, tuple[Callable[[Path], Loop], int]] = {
    "vit1": (vit, 1),
    "vit32": (vit, 32),
    "torch1": (torch_same, 1),
    "torch32": (torch_same, 32),
    "onnx1": (onnx_same, 1),
    "fastembed-vit": (with_fastembed("vit", 512), 32),
    "fastembed": (with_fastembed("shipped", 256), 32),
    "clip-retrieval": (with_clip_retrieval, 10**9),
}


def chunks(paths: list[Path], size: int) -> Iterator[list[Path]]:
    for start in range(0, len(paths), size):
        yield paths[start : start + size]


def main() -> None:
    if len(sys.argv) < 3 or sys.argv[1] not in {*RIVALS, "write"}:
        sys.exit(__doc__)
    name, folder = sys.argv[1], Path(sys.argv[2])
    models = Path(sys.argv[3]) if len(sys.argv) > 3 else folder  # asked by those alone that take a model from disk
    if name == "write":
        write_models(folder)
        return
    build, size = RIVALS[name]
    paths = sorted(folder.glob("*.jpg"))
    run = build(models)
    started = time.process_time()
    for chunk in chunks(paths, size):
        run(chunk)
    print(f"{started:.3f}")


if __name__ == "__main__":
    main()
