"""Fashionpedia's annotation file: COCO's form, with attributes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training.adapters.ontology import PARTS, Names, labels_of, names_of, read_json
from training.adapters.samples import Box, Found, Sample, Skipped, image_path

__all__ = ["Fashionpedia"]


@dataclass(frozen=True, kw_only=True)
class Fashionpedia:
    """`images`, `annotations`, `categories` and `attributes` in one JSON.

    A photo's fields are `category` and one per group of attributes ("neckline type", "silhouette", "textile pattern" ...).

    Attributes:
        path: The annotation file.
        images: The folder of the photos; `images` beside the file if not given.
        parts: Whether boxes of sleeves, collars, zips and other parts are kept.
    """

    path: Path
    images: Path | None = None
    parts: bool = False

    def read(self) -> Iterator[Found]:
        """The photos in the order of the file."""
        raw = read_json(self.path)
        names = names_of(raw, self.path)
        images = raw.get("images") or []
        known = {str(image["id"]) for image in images if isinstance(image, dict) and "id" in image}
        of_photo: dict[str, list[Annotation]] = defaultdict(list)
        for place, annotation in enumerate(raw.get("annotations") or []):
            found = annotation_of(annotation, f"{self.path}, annotations[{place}]", names, known)
            if isinstance(found, Skipped):
                yield found
                continue
            yield from found.unknown
            if self.parts or names.categories[found.category][1] not in PARTS:
                of_photo[found.photo].append(found)
        for place, image in enumerate(images):
            yield self.sample(image, f"{self.path}, images[{place}]", of_photo, names)

    def sample(self, image: Any, place: str, of_photo: dict[str, list[Annotation]], names: Names) -> Found:
        """The photo of an entry of `images`."""
        match image:
            case {"id": number, "file_name": str(name)}:
                found = of_photo.get(str(number), [])
                return Sample(
                    id=str(number),
                    place=place,
                    image=image_path(self.images or self.path.parent / "images", name),
                    labels=labels_of([(one.category, one.attributes) for one in found], names),
                    boxes=tuple(one.box(names) for one in found),
                )
        return Skipped(
            kind="photo",
            place=place,
            message=f"expected an object with id and file_name, got {str(image)[:120]}: left out",
        )


@dataclass(frozen=True, kw_only=True)
class Annotation:
    """A garment of a photo by numbers, its corners, and the attributes that have no name."""

    photo: str
    category: str
    attributes: tuple[str, ...]
    corners: tuple[float, float, float, float]
    unknown: tuple[Skipped, ...]

    def box(self, names: Names) -> Box:
        """The garment in words."""
        x0, y0, x1, y1 = self.corners
        said = tuple(names.attributes[n][0] for n in self.attributes)
        return Box(label=names.categories[self.category][0], x0=x0, y0=y0, x1=x1, y1=y1, attributes=said)


def annotation_of(raw: Any, place: str, names: Names, known: set[str]) -> Annotation | Skipped:
    """An entry of `annotations`, or why it is left out."""
    match raw:
        case {
            "image_id": photo,
            "category_id": category,
            "bbox": [int() | float() as x, int() | float() as y, int() | float() as w, int() | float() as h],
        } if w > 0 and h > 0:
            pass
        case _:
            return Skipped(kind="box", place=place, message=f"expected image_id, category_id and a bbox of x, y and a positive width and "
                           f"height, got {str(raw)[:120]}: left out")  # fmt: skip
    if str(photo) not in known:
        return Skipped(kind="box", place=place, message=f"no image has the id {photo}: left out")
    if str(category) not in names.categories:
        return Skipped(kind="label", place=place, message=f"no category has the id {category}: left out")
    numbers = [str(n) for n in raw.get("attribute_ids") or []]
    unknown = [Skipped(kind="label", place=place, message=f"no attribute has the id {n}: this attribute is left out")
               for n in numbers if n not in names.attributes]  # fmt: skip
    return Annotation(
        photo=str(photo),
        category=str(category),
        attributes=tuple(n for n in numbers if n in names.attributes),
        corners=(x, y, x + w, y + h),
        unknown=tuple(unknown),
    )
