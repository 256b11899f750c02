"""Photos and tables under one address: a folder here, or a bucket of an object store (`s3://`, `gs://`, ...)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from trendloom.errors import ImageError, InputError
from trendloom.photos import EXTENSIONS, MAX_BYTES
from trendloom.types import Item, Post

__all__ = ["Store"]


class Store:
    """Files below an address; travels between machines as the address alone.

    Addresses are those of pyarrow's file systems; an S3 server of your own is
    `s3://bucket/folder?scheme=http&endpoint_override=host:port`. Credentials are the environment's.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        self._opened: tuple[Any, str] | None = None

    def __reduce__(self) -> tuple[type[Store], tuple[str]]:
        return Store, (self.address,)

    def _open(self) -> tuple[Any, str]:
        """Returns file system and path.

        Raises:
            InputError: The address is not one that can be opened, or pyarrow is not installed.
        """
        if self._opened is None:
            try:
                from pyarrow import fs  # noqa: PLC0415  an extra
            except ImportError as exc:
                raise InputError("object stores need an extra: pip install 'trendloom[ray]'") from exc
            address = self.address if "://" in self.address else Path(self.address).resolve().as_uri()
            try:
                system, path = fs.FileSystem.from_uri(address)
            except (ValueError, OSError) as exc:
                raise InputError(f"expected a folder or an address such as s3://bucket/folder, got {exc}") from exc
            self._opened = system, path.rstrip("/")
        return self._opened

    def names(self) -> list[str]:
        """Returns the files below the address, relative, in order.

        Raises:
            InputError: They cannot be listed.
        """
        from pyarrow import fs  # noqa: PLC0415  as above

        system, root = self._open()
        try:
            found = system.get_file_info(fs.FileSelector(root, recursive=True, allow_not_found=True))
        except OSError as exc:
            raise InputError(f"{self.address} cannot be listed: {exc}") from exc
        return sorted(info.path[len(root) :].lstrip("/") for info in found if info.type == fs.FileType.File)

    def images(self) -> list[str]:
        """Returns the images among the names, by their endings; hidden ones left out."""
        return [
            name
            for name in self.names()
            if f".{name.rpartition('.')[2].lower()}" in EXTENSIONS
            and not any(p.startswith(".") for p in name.split("/"))
        ]

    def item(self, name: str) -> Item:
        """Returns one image as a post of its own."""
        return Item(key=name, post=Post(post_id=name), load=lambda: self.read(name))

    def read(self, name: str, *, most: int | None = MAX_BYTES) -> bytes:
        """Returns a file's bytes, `most` of them at most: those of a photo, None for a table of any size.

        Raises:
            ImageError: It is missing, too large or cannot be read.
        """
        system, root = self._open()
        try:
            with system.open_input_file(f"{root}/{name}") as file:
                if most is not None and file.size() > most:
                    raise ImageError("too_large", f"expected at most {most:,} bytes, got {file.size():,}")
                return bytes(file.read())
        except FileNotFoundError as exc:
            raise ImageError("missing", "there is no such file") from exc
        except OSError as exc:
            raise ImageError("unreadable", f"the file cannot be read ({exc.strerror or type(exc).__name__})") from exc

    def write(self, name: str, content: bytes) -> None:
        """Writes a file, whole or not at all; one of that name is replaced.

        Raises:
            OSError: It cannot be written.
        """
        system, root = self._open()
        if system.type_name == "local":
            system.create_dir(root, recursive=True)
            part = f"{root}/.{name}.part"
            with system.open_output_stream(part) as file:
                file.write(content)
            system.move(part, f"{root}/{name}")
            return
        with system.open_output_stream(f"{root}/{name}") as file:  # an object appears when it is complete
            file.write(content)
