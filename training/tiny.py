"""A photo tower's trunk of five convolutions, for tests and for trying a config out: it knows nothing before it learns."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from training.trunk import COARSE, DETAIL, FINE, NormedConv, Trunk

__all__ = ["TinyTrunk"]


class TinyTrunk(Trunk):
    """Grids of the shapes that `Trunk` gives."""

    def __init__(self) -> None:
        nn.Module.__init__(self)
        self.stem = NormedConv(3, 16, 3, stride=2)
        self.second, self.detail = NormedConv(16, 24, 3, stride=2), NormedConv(24, DETAIL, 3, stride=2)
        self.fine, self.head = NormedConv(DETAIL, FINE, 3, stride=2), NormedConv(FINE, COARSE, 1, stride=2)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Grids of pixels (n, 3, s, s): detail (n, 40, s/8, s/8), fine (n, 112, s/16, s/16), coarse (n, 1280, s/32, s/32)."""
        detail = functional.relu6(self.detail(functional.relu6(self.second(functional.relu6(self.stem(x))))))
        fine = functional.relu6(self.fine(detail))
        return detail, fine, functional.relu6(self.head(fine))
