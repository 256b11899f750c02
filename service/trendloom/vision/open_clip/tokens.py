"""open_clip's tokenizers as files of the `tokenizers` library, equal id for id or refused."""

from __future__ import annotations

import json
import string
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from trendloom.artifacts import TextSpec
from trendloom.errors import ArtifactError

__all__ = ["HARD_TEXTS", "write_tokenizer"]

# What people write, and what tokenizers stumble over.
HARD_TEXTS = (
    "dress",
    "a photo of a navy and white striped cotton shirt with long sleeves",
    "  Two   spaces,\ttabs\nand lines \r\n ",
    "it's she'll they've I'd we're O'Neill's DON'T",
    "Price: $49.99 (was 1,299.00) -20% #ootd @someone https://example.org/a?b=c&d=e",
    "t-shirt/tee; size 38-40; 100% cotton... wow!!! :-) <3 ~*~ ^_^ {x} [y] | \\ `z` _under_score_",
    "Café crème, jupe plissée, Größe, señorita, smörgåsbord, naïve, façade",
    "cafe\u0301 decomposed, \u212b ngstrom",
    "\u201cquoted\u201d \u2018single\u2019 it\u2019s \u2026 \u2013 dash \u2014 em",
    "裙子 ワンピース 드레스 платье ΦΟΡΕΜΑ φόρεμα שמלה فستان ड्रेस",
    "👗👠 👩🏽‍🦰 ❤️ ✨ 🇫🇷",
    "Tom &amp; Jerry &lt;3 &quot;x&quot; &#39;y&#39; a&nbsp;b",
    "H&M D&G 1/2 ½ x² № ™ ® ©",
    "\ufb01ne \ufb02oral \uff26\uff35\uff2c\uff2c \uff11\uff12",
    "İstanbul ǅ ß ẞ ﬀ",
    "12345678901234567890 3.14159 1e10 0x1F",
    "a" * 300,
    "red " * 200,
    "zero\u200bwidth soft\u00adhyphen no\u00a0break \u3000wide",
    "-", "?", "1", "'s", "s'", "i",
)  # fmt: skip

_ENTITIES = {"&amp;": "&", "&lt;": "<", "&gt;": ">", "&quot;": '"', "&#39;": "'", "&apos;": "'", "&nbsp;": " "}
_LIGATURES = {"\ufb00": "ff", "\ufb01": "fi", "\ufb02": "fl", "\ufb03": "ffi", "\ufb04": "ffl", "\ufb05": "\u017ft",
              "\ufb06": "st", "\u0132": "IJ", "\u0133": "ij", "\u0149": "'n", "\u01f1": "DZ", "\u01f2": "Dz", "\u01f3": "dz",
              "\u01c4": "D\u017d", "\u01c5": "D\u017e", "\u01c6": "d\u017e", "\u01c7": "LJ", "\u01c8": "Lj", "\u01c9": "lj",
              "\u01ca": "NJ", "\u01cb": "Nj", "\u01cc": "nj"}  # fmt: skip


def write_tokenizer(tokenizer: Any, path: Path, texts: Sequence[str]) -> tuple[TextSpec, int]:
    """Returns how ids are padded, and on how many texts the file written was found equal: on all, HARD_TEXTS too.

    Texts that `ftfy` repairs (text decoded with a wrong code page) are cleaned of quotes, ligatures, full-width
    letters, control characters and common HTML entities alone.

    Raises:
        ArtifactError: the tokenizer cannot be converted, or an id differs.
    """
    if not isinstance(length := tokenizer.context_length, int) or length < 1:
        raise ArtifactError(f"expected a tokenizer with a context length, got {length!r}; this one is not supported")
    kind = type(tokenizer).__name__
    if kind == "SimpleTokenizer":
        converted, pad = _byte_pairs(tokenizer), 0
    elif kind == "HFTokenizer":
        converted, pad = _fast(tokenizer)
    else:
        raise ArtifactError(f"expected a SimpleTokenizer or HFTokenizer of open_clip, got {kind}: it is not supported")
    converted.no_padding()
    converted.enable_truncation(length)
    converted.save(str(path), pretty=False)
    spec = TextSpec(context_length=length, pad_id=pad, pad_to="context")
    asked = [*dict.fromkeys((*HARD_TEXTS, *texts))]
    _check_equal(tokenizer, converted, spec, asked)
    return spec, len(asked)


def _check_equal(tokenizer: Any, converted: Any, spec: TextSpec, texts: Sequence[str]) -> None:
    expected = tokenizer(list(texts)).tolist()
    for text, row, found in zip(texts, expected, converted.encode_batch(list(texts)), strict=True):
        ids = found.ids + [spec.pad_id] * (len(row) - len(found.ids))
        if ids != row:
            at = next(n for n, (one, other) in enumerate(zip(ids, row, strict=False)) if one != other)
            raise ArtifactError(
                f"the tokenizer cannot be converted exactly: of {text[:60]!r} id {at} is {row[at]} in open_clip and "
                f"{ids[at]} here; a model whose texts are read otherwise is not added"
            )


def _cleaning(clean: str) -> list[Any]:
    """Returns the normalizers of open_clip's cleaning functions (tokenizer.py: lower, whitespace, canonicalize)."""
    from tokenizers import Regex, normalizers  # noqa: PLC0415  tagging photos never needs it

    def replaced(table: dict[str, str]) -> list[Any]:
        return [normalizers.Replace(old, new) for old, new in table.items()]

    forms = {chr(n): unicodedata.normalize("NFKC", chr(n)) for n in range(0xFF01, 0xFFF0)}  # of full and half width
    wide = {old: new for old, new in forms.items() if new != old}
    steps = [
        *replaced(_ENTITIES),
        *replaced(_ENTITIES),  # open_clip undoes entities twice
        *replaced(_LIGATURES),
        *replaced(wide),
        normalizers.Replace(Regex("[\u02bc\u2018-\u201b]"), "'"),
        normalizers.Replace(Regex("[\u201c-\u201f]"), '"'),
        normalizers.Replace(Regex("\x1b\\[[0-9;]*[A-Za-z]"), ""),
        normalizers.Replace(Regex("[\\x00-\\x08\\x0b\\x0e-\\x1b\\x7f\u206a-\u206f\ufeff\ufff9-\ufffb]"), ""),
        normalizers.NFC(),
    ]
    if clean == "canonicalize":
        steps += [normalizers.Replace("_", " "), normalizers.Replace(Regex(f"[{_escaped(string.punctuation)}]"), "")]
    if clean in ("canonicalize", "lower"):
        steps += [normalizers.Replace(Regex("(?<=\\p{L})\u03a3(?!\\p{L})"), "\u03c2"), normalizers.Lowercase()]
    return [*steps, normalizers.Replace(Regex("[\\s\\x1c-\\x1f\\x85]+"), " "), normalizers.Strip()]


def _escaped(characters: str) -> str:
    return "".join(f"\\{c}" for c in characters)


def _byte_pairs(tokenizer: Any) -> Any:
    """Returns the tokenizer of CLIP: byte-level pairs within words, ends marked, between two special ids."""
    from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors  # noqa: PLC0415

    if tokenizer.reduction_fn is not None:
        raise ArtifactError("this tokenizer drops words at random (reduction_mask): it cannot be converted exactly")
    start, end = (tokenizer.decoder[n] for n in (tokenizer.sot_token_id, tokenizer.eot_token_id))
    made = Tokenizer(
        models.BPE(
            vocab=dict(tokenizer.encoder),
            merges=[tuple(pair) for pair in tokenizer.bpe_ranks if len(pair) == 2],
            end_of_word_suffix="</w>",
            unk_token=end,
        )
    )
    made.normalizer = normalizers.Sequence(_cleaning(_clean_of(tokenizer)))
    words = Regex("(?i)'s|'t|'re|'ve|'m|'ll|'d|[\\p{L}]+|[\\p{N}]|[^\\s\\p{L}\\p{N}]+")
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(words, behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    made.post_processor = processors.TemplateProcessing(
        single=f"{start} $A {end}",
        special_tokens=[(start, tokenizer.sot_token_id), (end, tokenizer.eot_token_id)],
    )
    return made


def _fast(tokenizer: Any) -> tuple[Any, int]:
    """Returns the fast tokenizer within open_clip's HFTokenizer, cleaning before it, and the id that pads."""
    from tokenizers import Tokenizer, normalizers  # noqa: PLC0415

    inner = tokenizer.tokenizer
    if tokenizer.tokenizer_mode or tokenizer.strip_sep_token:
        raise ArtifactError("this tokenizer moves special ids after the fact: it cannot be converted exactly")
    backend = getattr(inner, "backend_tokenizer", None)
    if backend is None:
        raise ArtifactError(f"{type(inner).__name__} is no fast tokenizer: it cannot be converted")
    if inner.pad_token_id is None or getattr(inner, "padding_side", "right") != "right":
        raise ArtifactError("expected a tokenizer that pads on the right with an id of its own; this one does not")
    made = Tokenizer.from_str(json.dumps(json.loads(backend.to_str())))
    steps = _cleaning(_clean_of(tokenizer))
    made.normalizer = normalizers.Sequence([*steps, made.normalizer] if made.normalizer else steps)
    return made, int(inner.pad_token_id)


def _clean_of(tokenizer: Any) -> str:
    """Returns the name of open_clip's cleaning function."""
    name = getattr(tokenizer.clean_fn, "__name__", "").removeprefix("_clean_")
    if name not in ("lower", "whitespace", "canonicalize"):
        raise ArtifactError(
            f"expected a cleaning of open_clip's, got {name or 'another'}: it cannot be converted exactly"
        )
    return name
