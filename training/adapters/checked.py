"""What a source's photos must be to be learned from, and the report of what was not."""

from __future__ import annotations

import difflib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from training.adapters.samples import Found, Sample, Skipped
from trendloom.errors import InputError
from trendloom.vision.labels import refusal

__all__ = ["LONGEST_CAPTION", "LabelRule", "SkipReport", "checked", "closed"]

LONGEST_CAPTION = 2000  # characters


@dataclass(frozen=True, kw_only=True)
class LabelRule:
    """How a field of a source becomes values of a label list.

    Attributes:
        column: The source's field.
        map: The source's words for values, where they differ; None for words that say nothing.
        values: The values that the list has; None for whatever the source states.
    """

    column: str
    map: Mapping[str, str | None]
    values: frozenset[str] | None = None

    def value(self, word: str) -> str | None:
        """The list's value of a word, None if it has none; case does not matter."""
        meant = self.map.get(word, word)
        if meant is None or self.values is None or meant in self.values:
            return meant
        return next((v for v in sorted(self.values) if v.lower() == meant.lower()), None)

    def silent(self, word: str) -> bool:
        """Whether the word is known to say nothing."""
        return word in self.map and self.map[word] is None


def checked(
    found: Iterable[Found],
    rules: Mapping[str, LabelRule],
    *,
    longest: int = LONGEST_CAPTION,
    other: bool = False,
    group: str | None = None,
    source: str = "the source",
) -> Iterator[Found]:
    """The photos with labels by list and captions that can be learned from, and what was left out.

    A photo of which nothing remains is left out, unless it shows `other` things, which needs no label.

    Raises:
        InputError: No photo has a field that a label list or the split is to be read from.
    """
    seen: dict[str, str] = {}
    fields: set[str] = set()
    for item in found:
        if isinstance(item, Skipped):
            yield item
            continue
        if item.id in seen:
            yield Skipped(
                kind="photo", place=item.place, message=f"the id {item.id} was seen at {seen[item.id]}: left out"
            )
            continue
        seen[item.id] = item.place
        fields.update(item.labels)
        left_out: list[Skipped] = []
        captions = tuple(c for c in map(caption_of(item, left_out, longest), item.captions) if c)
        labels = {name: values for name, rule in rules.items() if (values := values_of(item, name, rule, left_out))}
        yield from left_out
        if captions or labels or other:
            yield replace(item, captions=captions, labels=labels, group=" ".join(item.labels.get(group or "", ())))
        else:
            yield Skipped(
                kind="photo", place=item.place, message="no caption and no label is left to learn from: left out"
            )
    wanted = {rule.column for rule in rules.values() if not other} | ({group} if group else set())
    if seen and (missing := sorted(wanted - fields)):
        raise InputError(f"{source}: expected photos with {', '.join(missing)}, none of {len(seen):,} has it; fields that they have: "
                         f"{', '.join(sorted(fields)) or 'none'}. Correct `labels` or `group` of the source")  # fmt: skip


def caption_of(item: Sample, left_out: list[Skipped], longest: int) -> Callable[[str], str]:
    """A function that gives a caption in one line, or "" and a note in `left_out`."""

    def clean(caption: str) -> str:
        text = " ".join("".join(c if c.isprintable() else " " for c in caption).split())
        if not text:
            left_out.append(
                Skipped(kind="caption", place=item.place, message="the caption is empty: this caption is left out")
            )
        elif len(text) > longest:
            left_out.append(Skipped(kind="caption", place=item.place, message=f"the caption has {len(text):,} characters, expected at most "
                                    f"{longest:,}: this caption is left out (shorten it, or raise `longest_caption`)"))  # fmt: skip
            text = ""
        return text

    return clean


def values_of(item: Sample, name: str, rule: LabelRule, left_out: list[Skipped]) -> tuple[str, ...]:
    """The photo's values of a label list, each once; unknown ones go to `left_out`."""
    values: dict[str, None] = {}
    for word in item.labels.get(rule.column, ()):
        if rule.silent(word):
            continue
        value = rule.value(word)
        why = refusal(value) if value is not None and rule.values is None else ""
        if why:
            left_out.append(Skipped(kind="label", place=item.place, message=f"{why}: this label is left out"))
        elif value is None:
            near = difflib.get_close_matches(word, sorted(rule.values or ()), 1)
            hint = f" (nearest: {near[0]})" if near else ""
            left_out.append(Skipped(kind="label", place=item.place, message=f"{rule.column!r} says {word[:80]!r}, which the list {name!r} does not "
                                    f"have{hint}: this label is left out (add it to `values` or `map`)"))  # fmt: skip
        else:
            values[value] = None
    return tuple(values)


def plural(kind: str, count: int) -> str:
    """A kind's name for so many of it."""
    return kind if count == 1 else f"{kind}{'es' if kind.endswith('x') else 's'}"


def closed(file: IO[Any], *, quietly: bool) -> None:
    """Close a file; where something else went wrong already, a full disk is not news."""
    try:
        file.close()
    except OSError:
        if not quietly:
            raise


class SkipReport:
    """A file with a line for everything that was left out, and the counts."""

    def __init__(self, path: Path) -> None:
        self.path, self.counts = path, Counter[tuple[str, str]]()
        self.file = path.open("w", encoding="utf-8")

    def add(self, source: str, skipped: Skipped) -> None:
        """Write a line and count it."""
        self.counts[source, skipped.kind] += 1
        line = {"source": source, "kind": skipped.kind, "place": skipped.place, "message": skipped.message}
        self.file.write(json.dumps(line, ensure_ascii=False) + "\n")

    def __enter__(self) -> SkipReport:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        closed(self.file, quietly=kind is not None)

    def summary(self) -> list[str]:
        """A line for each source with something left out."""
        found: dict[str, list[str]] = {}
        for (source, kind), n in sorted(self.counts.items()):
            found.setdefault(source, []).append(f"{n:,} {plural(kind, n)}")
        return [f"{source}: left out {', '.join(parts)}" for source, parts in found.items()]
