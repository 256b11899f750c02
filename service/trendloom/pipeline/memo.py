"""What was made lately is not made again."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

__all__ = ["Memo"]

T = TypeVar("T")


@dataclass
class _Cell(Generic[T]):
    lock: threading.Lock = field(default_factory=threading.Lock)
    made: list[T] = field(default_factory=list)  # one or none


class Memo(Generic[T]):
    """The last few things that were asked for, by key; safe to use from several threads.

    Of several threads that ask for one thing the first makes it, the others wait for it; nobody waits for another thing.

    Args:
        size: How many are kept; the one that was not asked for the longest goes first.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._lock = threading.Lock()
        self._cells: OrderedDict[Hashable, _Cell[T]] = OrderedDict()

    def get(self, key: Hashable, make: Callable[[], T], *, keep: Callable[[T], bool] = lambda made: True) -> T:
        """Returns what was made for the key, or makes it; what `keep` denies is made again the next time."""
        with self._lock:
            cell = self._cells.setdefault(key, _Cell())
            self._cells.move_to_end(key)
            while len(self._cells) > self._size:
                self._cells.popitem(last=False)
        with cell.lock:
            if cell.made:
                return cell.made[0]
            made = make()  # what it raises is nobody else's
            if keep(made):
                cell.made.append(made)
            return made
