"""Data adapters: every source becomes the same typed photos with captions, labels and boxes.

A bad item never ends a run: it is left out, with a message that names file and line or member.
"""

from __future__ import annotations

from training.adapters.fashionpedia import Fashionpedia
from training.adapters.folders import Folders
from training.adapters.imaterialist import IMaterialist
from training.adapters.img2dataset import Img2dataset
from training.adapters.samples import Adapter, Box, Found, Sample, Skipped
from training.adapters.shards import Shards
from training.adapters.table import Table

__all__ = ["ADAPTERS", "Adapter", "Box", "Found", "Sample", "Skipped"]

ADAPTERS: dict[str, type[Adapter]] = {
    "shards": Shards,
    "img2dataset": Img2dataset,
    "csv": Table,
    "folders": Folders,
    "fashionpedia": Fashionpedia,
    "imaterialist": IMaterialist,
}
