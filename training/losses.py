"""The losses, over pictures of one or two photos each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from training.model import TextHead
from training.prompts import TaskTexts, Words

__all__ = ["BLANK", "GREY", "Objective", "Pictures"]

GREY = 1  # flag: the colours are gone
BLANK = 2  # flag: nothing but a ground is shown
PROMPTS_AT_ONCE = 2
OUTSIDERS = 384  # captions of other photos that every batch competes with
OTHER_WEIGHT = 0.5


@dataclass(frozen=True, kw_only=True)
class Pictures:
    """What a batch shows: photo rows (n, 2), the second -1 where there is none, and flags (n,)."""

    rows: Tensor
    flags: Tensor


class Scales(nn.Module):
    """Learned temperatures: of tasks, of captions, and scale and bias of tags."""

    def __init__(self) -> None:
        super().__init__()
        self.task = nn.Parameter(torch.tensor(20.0).log())
        self.caption = nn.Parameter(torch.tensor(20.0).log())
        self.tag = nn.Parameter(torch.tensor(12.0).log())
        self.tag_bias = nn.Parameter(torch.tensor(-3.0))


class Objective(nn.Module):
    """The sum of losses of a batch's image vectors; holds the text head and the temperatures."""

    def __init__(
        self, words: Words, is_other: NDArray[np.bool_], training: NDArray[np.int64], smoothing: float = 0.03
    ) -> None:
        super().__init__()
        self.text, self.scales = TextHead(), Scales()
        self.words, self.smoothing = words, smoothing
        self.is_other = torch.from_numpy(is_other)
        self.training = training  # rows whose captions may stand as outsiders

    def prompts(self, prompts: list[NDArray[np.int64]], rng: np.random.Generator, at_once: int) -> Tensor:
        """A vector for each class, (classes, 256): the mean of some of its prompts."""
        rows = np.stack([p[rng.integers(len(p), size=at_once)] for p in prompts])
        vectors = self.text(self.words.vectors[torch.from_numpy(rows.ravel())]).view(len(prompts), at_once, -1)
        return functional.normalize(vectors.mean(1), dim=1)

    def task(self, task: TaskTexts, images: Tensor, pictures: Pictures, rng: np.random.Generator) -> Tensor:
        """Cross-entropy over a task's prompts, summed over the pictures."""
        first, second = pictures.rows[:, 0], pictures.rows[:, 1]
        other = self.is_other[first]
        target = task.targets[first] + task.targets[second.clamp(min=0)] * (second >= 0)[:, None]
        known = target.sum(1) > 0
        if task.task.colour:
            known &= pictures.flags & GREY == 0
        if task.task.none is not None:
            known &= ~other
            target[other], known = 0.0, known | other
            target[other, task.task.none] = 1.0
        elif task.task.flat:
            target[other], known = 1.0, known | other
        if not known.any():
            return images.sum() * 0
        at_once = PROMPTS_AT_ONCE if task.task.name.startswith("taxonomy") else 1
        classes = self.prompts(task.prompts, rng, at_once)
        logits = self.scales.task.exp().clamp(max=60) * images[known] @ classes.T
        target = target[known] / target[known].sum(1, keepdim=True)
        target = target * (1 - self.smoothing) + self.smoothing / target.shape[1]
        weight = torch.where(other[known], OTHER_WEIGHT, 1.0)
        return task.task.weight * (functional.cross_entropy(logits, target, reduction="none") * weight).sum()

    def tags(self, images: Tensor, pictures: Pictures, rng: np.random.Generator) -> Tensor:
        """Sigmoid loss over the tags of outfits, summed over the pictures."""
        first = pictures.rows[:, 0]
        known = self.words.tags.absent_weight[first] > 0
        if not known.any():
            return images.sum() * 0
        classes = self.prompts(self.words.tags.prompts, rng, 1)
        shown, absent = self.words.tags.shown[first[known]], self.words.tags.absent_weight[first[known]]
        logits = self.scales.tag.exp() * images[known] @ classes.T + self.scales.tag_bias
        weight = torch.where(shown > 0, 1.0, absent[:, None])
        return 0.25 * functional.binary_cross_entropy_with_logits(logits, shown, weight, reduction="none").sum(1).sum()

    def captions(
        self, images: Tensor, pictures: Pictures, of: list[NDArray[np.int64]], rng: np.random.Generator, whole: float
    ) -> Tensor:
        """Contrastive loss both ways against the batch's captions and some outsiders, summed over the pictures.

        Equal captions are positives of each other (Khosla et al., Supervised Contrastive Learning, 2020, L_out).
        """
        use, texts = [], []
        for n, (first, second) in enumerate(pictures.rows.tolist()):
            if pictures.flags[n]:
                continue
            for row in (first, second):
                if row >= 0 and len(of[row]):
                    use.append(n)
                    texts.append(int(of[row][0 if rng.random() < whole else rng.integers(len(of[row]))]))
        if len(use) < 2:
            return images.sum() * 0
        spare = [of[row] for row in rng.choice(self.training, OUTSIDERS)]
        outside = [int(o[rng.integers(len(o))]) for o in spare if len(o)]
        outside = sorted(set(outside) - set(texts))
        mine, every = torch.tensor(texts), torch.tensor(texts + outside)
        vectors = self.text(self.words.vectors[every])
        seen = images[torch.tensor(use)]
        logits = self.scales.caption.exp().clamp(max=60) * seen @ vectors.T
        same = (mine[:, None] == every[None]) | (torch.tensor(use)[:, None] == torch.cat(
            [torch.tensor(use), torch.full((len(outside),), -1)])[None])  # fmt: skip
        target = same / same.sum(1, keepdim=True)
        back = same[:, : len(mine)].T
        return 0.5 * (functional.cross_entropy(logits, target.float(), reduction="sum")
                      + functional.cross_entropy(logits[:, : len(mine)].T, (back / back.sum(1, keepdim=True)).float(), reduction="sum"))  # fmt: skip

    def forward(self, images: Tensor, pictures: Pictures, rng: np.random.Generator) -> dict[str, Tensor]:
        """The parts of the loss, each divided by the number of pictures."""
        parts = {task.task.name: self.task(task, images, pictures, rng) for task in self.words.tasks}
        parts["tags"] = self.tags(images, pictures, rng)
        parts["written"] = 0.7 * self.captions(images, pictures, self.words.written, rng, 0.6)
        parts["composed"] = 0.4 * self.captions(images, pictures, self.words.composed, rng, 0.3)
        return {name: part / len(images) for name, part in parts.items()}
