"""Lists as CSV, safe to open in a spreadsheet."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any

from pydantic import BaseModel
from starlette.responses import Response

__all__ = ["csv_of", "csv_response"]

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def _cell(value: Any) -> str:
    """Returns a cell; a text that a spreadsheet would take for a formula begins with an apostrophe (CWE-1236)."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, int | float):
        return f"{value:.6g}" if isinstance(value, float) else str(value)
    text = "; ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    return f"'{text}" if text.startswith(_FORMULA) else text


def csv_of(columns: Sequence[str], rows: Iterable[BaseModel]) -> str:
    """Returns a header and a line per row."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(columns)
    writer.writerows([_cell(getattr(row, column)) for column in columns] for row in rows)
    return out.getvalue()


def csv_response(name: str, kind: type[BaseModel], rows: Iterable[BaseModel]) -> Response:
    """Returns the rows as a CSV file of that name, a column per field of `kind`."""
    columns = sorted(kind.model_fields, key=lambda column: column == "suppressed")  # what a row is comes first
    return Response(
        csv_of(columns, rows),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}.csv"'},
    )
