"""Groups, their values and prompts, and the public ids of the values."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast, get_args

from trendloom.errors import ArtifactError

__all__ = ["Absence", "Group", "Part", "Taxonomy", "Value", "load_layer", "load_taxonomy", "write_parsed"]

Part = Literal["upper", "lower", "whole", "feet", "bag", "head", "jewellery", "accessory"]

TYPE = "type"
MAX_BYTES = 1 << 20
MAX_NESTED = 2_000  # openings in the text: no file can nest deeper than it opens
_ID = re.compile(r"(fashionpedia:\d+|shopify:\d+|shopify:[a-z]{2}(-\d+)+|trendloom:[a-z0-9]+(-[a-z0-9]+)*)")
_GROUP_FIELDS = {"name", "label", "exclusive", "templates", "values", "none", "not_visible", "applies_to"}
_VALUE_FIELDS = {"value", "id", "prompts", "plural", "part", "google_id", "fashionpedia_id"}


@dataclass(frozen=True, kw_only=True)
class Value:
    """One value of a group: its public name, id, and the prompts that stand for it.

    `part` says where a type is worn, None in other groups; `plural` names several of it.
    """

    value: str
    id: str
    prompts: tuple[str, ...]
    plural: str
    part: Part | None
    google_id: int | None
    fashionpedia_id: int | None


@dataclass(frozen=True, kw_only=True)
class Absence:
    """That a garment has nothing which a group asks for, or that its photo does not show it; never a tag itself.

    `value`: the value of the group that says the same, as `sleeveless` does; then the id is that value's. `means` is for
    people to read; with `prompts` it competes with the values of the group.
    """

    id: str
    means: str
    value: str | None = None
    prompts: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Group:
    """One question about a garment.

    `exclusive`: a garment shows one value at most. `none`: it has nothing that the group asks for; `not_visible`: its
    photo does not show it; None where the taxonomy has no id for that.
    `applies_to`: the types that the question fits; None: all of them.
    """

    name: str
    label: str
    exclusive: bool
    templates: tuple[str, ...]
    values: tuple[Value, ...]
    applies_to: frozenset[str] | None
    none: Absence | None = None
    not_visible: Absence | None = None

    @property
    def none_prompts(self) -> tuple[str, ...]:
        """Prompts of what shows no value at all; without them a photo is not asked whether it shows none."""
        return self.none.prompts if self.none else ()

    def fits(self, type_value: str) -> bool:
        """Returns whether the question fits a garment of this type."""
        return self.applies_to is None or type_value in self.applies_to

    def find(self, value: str) -> Value | None:
        """Returns the value of that name, or None."""
        return next((entry for entry in self.values if entry.value == value), None)


@dataclass(frozen=True, kw_only=True)
class Taxonomy:
    """Everything that a tag can say; the group `type` is always there."""

    name: str
    version: str
    groups: tuple[Group, ...]

    @property
    def identity(self) -> str:
        """Name and version, such as `trendloom 1`: what a stored tag names."""
        return f"{self.name} {self.version}"

    def group(self, name: str) -> Group:
        """Returns the group of that name.

        Raises:
            ArtifactError: no such group.
        """
        for group in self.groups:
            if group.name == name:
                return group
        names = ", ".join(group.name for group in self.groups)
        raise ArtifactError(f"expected a group of the taxonomy ({names}), got {name!r}")


def load_taxonomy(path: Path) -> Taxonomy:
    """Returns the taxonomy in a YAML file.

    Raises:
        ArtifactError: the file is missing, or a field is absent, unknown, doubled or of another kind.
    """
    taxonomy = _read(path, _parsed)
    _check_types(taxonomy, path.name)
    return taxonomy


def load_layer(path: Path) -> Taxonomy:
    """Returns the groups of prompts in a YAML file that is added to a taxonomy; it has the same form without types.

    Raises:
        ArtifactError: as for a taxonomy; or a group is exclusive, is asked of some types only or has a `none`: each value
            of a layer is judged on its own.
    """
    layer = _read(path)
    for group in layer.groups:
        place = f"{path.name}: {group.name}"
        if group.name == TYPE:
            raise ArtifactError(f"{place}: expected another name; types belong to the taxonomy")
        for field, given, wanted in (
            ("exclusive", group.exclusive, "false"),
            ("none", group.none is not None, "no such field"),
            ("not_visible", group.not_visible is not None, "no such field"),
            ("applies_to", group.applies_to is not None, "no such field"),
        ):
            if given:
                raise ArtifactError(
                    f"{place}: {field}: expected {wanted} in a layer, whose values are judged one by one"
                )
    return layer


def _read(path: Path, parsed: Callable[[Path, bytes], object] = lambda path, text: None) -> Taxonomy:
    """Returns the groups in a YAML file; `parsed` may know its content without going through the text."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ArtifactError(f"{path.name}: expected at most {MAX_BYTES} bytes, got more")
        text = path.read_bytes()
    except OSError as exc:
        raise ArtifactError(f"expected groups and prompts in {path.name!r}, found no file to read") from exc
    raw = parsed(path, text)
    if raw is None:
        raw = _parse(path, text)
    fields = _object(raw, path.name, {"name", "version", "groups"})
    groups = tuple(
        _group(entry, f"{path.name}: groups[{n}]")
        for n, entry in enumerate(_list(fields.get("groups"), f"{path.name}: groups"))
    )
    _refuse_doubles((group.name for group in groups), f"{path.name}: groups")
    return Taxonomy(
        name=_text(fields.get("name"), f"{path.name}: name"),
        version=str(fields.get("version") or _text(None, f"{path.name}: version")),
        groups=groups,
    )


def _parsed(path: Path, text: bytes) -> object:
    """Returns what `write_parsed` kept of exactly this text; None where there is nothing of it."""
    copy = path.with_suffix(".json")
    try:
        if not copy.is_file() or copy.stat().st_size > 2 * MAX_BYTES:
            return None
        kept = json.loads(copy.read_bytes())
        return kept["content"] if kept["sha256"] == hashlib.sha256(text).hexdigest() else None
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def write_parsed(path: Path) -> Path:
    """Returns the path of a YAML file's content as JSON, written beside it: it is read twenty times as fast.

    Raises:
        ArtifactError: the file is missing or no YAML.
    """
    load_taxonomy(path)
    text, copy = path.read_bytes(), path.with_suffix(".json")
    kept = {"sha256": hashlib.sha256(text).hexdigest(), "content": _parse(path, text)}
    copy.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return copy


def _parse(path: Path, text: bytes) -> object:
    """Returns the YAML in plain types. The C parser is eight times faster, but deep nesting would end the process.

    Raises:
        ArtifactError: it is no YAML.
    """
    import yaml  # noqa: PLC0415  the shipped taxonomy is read without it

    flat = len(re.findall(rb"[\[{]|[-?:] +[-?]", text)) < MAX_NESTED
    try:
        return yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader) if flat else yaml.SafeLoader)
    except (yaml.YAMLError, RecursionError) as exc:
        raise ArtifactError(f"{path.name}: expected YAML, got text that does not parse ({exc})") from exc


def _check_types(taxonomy: Taxonomy, place: str) -> None:
    """Raises ArtifactError unless there are types, each with its part, and `applies_to` names only them."""
    if not any(group.name == TYPE for group in taxonomy.groups):
        raise ArtifactError(f"{place}: expected a group called {TYPE}, got none")
    types = taxonomy.group(TYPE)
    for value in types.values:
        if value.part is None:
            raise ArtifactError(f"{place}: {TYPE}: {value.value}: part is missing; one of {', '.join(get_args(Part))}")
    known = {value.value for value in types.values}
    for group in taxonomy.groups:
        if strange := sorted((group.applies_to or frozenset()) - known):
            raise ArtifactError(f"{place}: {group.name}: applies_to: expected types, got {', '.join(strange)}")


def _group(raw: object, place: str) -> Group:
    fields = _object(raw, place, _GROUP_FIELDS)
    name = _text(fields.get("name"), f"{place}: name")
    place = f"{place.split(':', maxsplit=1)[0]}: {name}"
    exclusive = fields.get("exclusive")
    if not isinstance(exclusive, bool):
        raise ArtifactError(f"{place}: exclusive: expected true or false, got {exclusive!r}")
    templates = _texts(fields.get("templates"), f"{place}: templates")
    for template in templates:
        if template.count("{}") != 1:
            raise ArtifactError(f"{place}: templates: expected one {{}} in each, got {template!r}")
    values = tuple(
        _value(entry, f"{place}: values[{n}]")
        for n, entry in enumerate(_list(fields.get("values"), f"{place}: values"))
    )
    _refuse_doubles((value.value for value in values), f"{place}: values")
    none = _absence(fields["none"], f"{place}: none", values) if "none" in fields else None
    hidden = _absence(fields["not_visible"], f"{place}: not_visible") if "not_visible" in fields else None
    own = [said.id for said in (none, hidden) if said and said.value is None]
    _refuse_doubles((*(value.id for value in values), *own), f"{place}: ids")
    asked = none.prompts if none else ()
    _refuse_doubles((*asked, *(prompt for value in values for prompt in value.prompts)), f"{place}: prompts")
    applies = frozenset(_texts(fields["applies_to"], f"{place}: applies_to")) if "applies_to" in fields else None
    return Group(
        name=name,
        label=_text(fields.get("label"), f"{place}: label"),
        exclusive=exclusive,
        templates=templates,
        values=values,
        applies_to=applies,
        none=none,
        not_visible=hidden,
    )


def _absence(raw: object, place: str, values: Sequence[Value] = ()) -> Absence:
    """Returns what `none` or `not_visible` says; only `none`, which is given the values, may be one of them or be asked."""
    fields = _object(raw, place, {"id", "means", "value", "prompts"} if values else {"id", "means"})
    if "value" in fields and (both := sorted(fields.keys() & {"id", "prompts"})):
        raise ArtifactError(f"{place}: expected either value or {both[0]}, got both: the value has its own")
    prompts = _texts(fields["prompts"], f"{place}: prompts") if "prompts" in fields else ()
    default = "trendloom:none" if prompts else None  # of taxonomies written before it had an id
    means = _text(fields.get("means", "none of the values" if prompts else None), f"{place}: means")
    if "value" not in fields:
        return Absence(id=_value_id(fields.get("id", default), f"{place}: id"), means=means, prompts=prompts)
    name = _text(fields["value"], f"{place}: value")
    found = next((value for value in values if value.value == name), None)
    if found is None:
        raise ArtifactError(f"{place}: value: expected one of {', '.join(v.value for v in values)}, got {name!r}")
    return Absence(id=found.id, means=means, value=name)


def _value(raw: object, place: str) -> Value:
    fields = _object(raw, place, _VALUE_FIELDS)
    value = _text(fields.get("value"), f"{place}: value")
    place = f"{place.rsplit(':', maxsplit=1)[0]}: {value}"
    value_id = _value_id(fields.get("id"), f"{place}: id")
    part = fields.get("part")
    if part is not None and part not in get_args(Part):
        raise ArtifactError(f"{place}: part: expected one of {', '.join(get_args(Part))}, got {part!r}")
    return Value(
        value=value,
        id=value_id,
        prompts=_texts(fields.get("prompts"), f"{place}: prompts"),
        plural=_text(fields.get("plural", value), f"{place}: plural"),
        part=cast("Part | None", part),
        google_id=_number(fields.get("google_id"), f"{place}: google_id"),
        fashionpedia_id=_number(fields.get("fashionpedia_id"), f"{place}: fashionpedia_id"),
    )


def _value_id(raw: object, place: str) -> str:
    value_id = _text(raw, place)
    if not _ID.fullmatch(value_id):
        raise ArtifactError(f"{place}: expected fashionpedia:N, shopify:N or trendloom:slug, got {value_id!r}")
    return value_id


def _object(raw: object, place: str, known: set[str]) -> dict[str, object]:
    if not isinstance(raw, dict):
        raise ArtifactError(f"{place}: expected fields, got {type(raw).__name__}")
    if strange := sorted(str(key) for key in raw if key not in known):
        raise ArtifactError(f"{place}: unknown field {', '.join(strange)}; known: {', '.join(sorted(known))}")
    return raw


def _list(raw: object, place: str) -> list[object]:
    if not isinstance(raw, list) or not raw:
        raise ArtifactError(f"{place}: expected a list with at least one entry, got {raw!r}")
    return raw


def _text(raw: object, place: str) -> str:
    if not isinstance(raw, str) or not raw.strip():
        raise ArtifactError(f"{place}: expected a text (in quotes, where YAML reads it otherwise), got {raw!r}")
    return raw


def _texts(raw: object, place: str) -> tuple[str, ...]:
    return tuple(_text(entry, place) for entry in _list(raw, place))


def _number(raw: object, place: str) -> int | None:
    if raw is not None and (isinstance(raw, bool) or not isinstance(raw, int) or raw < 0):
        raise ArtifactError(f"{place}: expected a whole number, got {raw!r}")
    return raw


def _refuse_doubles(names: Iterator[str] | tuple[str, ...], place: str) -> None:
    if doubled := [name for name, count in Counter(names).items() if count > 1]:
        raise ArtifactError(f"{place}: expected each once, got {', '.join(doubled)} more than once")
