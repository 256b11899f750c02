"""What a user would write instead, each a whole process: `python -m benchmarks.rivals NAME FOLDER [COUNT]`.

- vit1, vit32: torch and open_clip as its README has it (Pillow, its transforms, ViT-B/32), one photo at a time or 32;
- torch1, torch32: the same loop around the shipped model, rebuilt in torch from the weights of its ONNX file;
- onnx1: onnxruntime around the shipped model, Pillow, one photo at a time.

Each names a value for 137 prompts by softmax over cosines; ViT-B/32 has random weights, which take the same time.
The last line says how many CPU seconds had passed before the first photo.
"""

from __future__ import annotations

import sys
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


def vit() -> Callable[[list[Path]], Any]:
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


def torch_same() -> Callable[[list[Path]], Any]:
    import torch

    torch.set_num_threads(1)
    tower = shipped()
    prompts = np.random.default_rng(0).normal(size=(PROMPTS, 256)).astype(np.float32)

    def run(paths: list[Path]) -> Any:
        with torch.no_grad():
            pixels = torch.stack([torch.from_numpy(letterboxed(path).copy()) for path in paths])
            return named(tower(pixels.permute(0, 3, 1, 2).float() / 255).numpy(), prompts)

    return run


def onnx_same() -> Callable[[list[Path]], Any]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(MODEL / "image.onnx"), options, providers=["CPUExecutionProvider"])
    prompts = np.random.default_rng(0).normal(size=(PROMPTS, 256)).astype(np.float32)
    return lambda paths: named(
        session.run(["embedding"], {"pixels": np.stack([letterboxed(path) for path in paths])})[0], prompts
    )


RIVALS: dict[str, tuple[Callable[[], Callable[[list[Path]], Any]], int]] = {
    "vit1": (vit, 1),
    "vit32": (vit, 32),
    "torch1": (torch_same, 1),
    "torch32": (torch_same, 32),
    "onnx1": (onnx_same, 1),
}


def chunks(paths: list[Path], size: int) -> Iterator[list[Path]]:
    for start in range(0, len(paths), size):
        yield paths[start : start + size]


def main() -> None:
    build, size = RIVALS[sys.argv[1]]
    paths = sorted(Path(sys.argv[2]).glob("*.jpg"))[: int(sys.argv[3]) if len(sys.argv) > 3 else None]
    run = build()
    started = time.process_time()
    for chunk in chunks(paths, size):
        run(chunk)
    print(f"{started:.3f}")


if __name__ == "__main__":
    main()
