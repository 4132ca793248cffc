"""One image of a collection before it is read, and how it is named."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import BinaryIO, Final, Protocol
from urllib.parse import quote_from_bytes, unquote_to_bytes

from limpid.core.errors import LimpidError, ReadError

__all__ = ["Content", "Item", "Place", "address_of", "failed", "inside", "uri_of"]

#: ASCII that stays as it is in a URI: all that can be printed but the sign of escapes, and the one between a shard and
#: what is in it.
_PLAIN: Final = "".join(chr(code) for code in range(32, 127) if chr(code) not in "%#")


class Content(Protocol):
    """The bytes of a file, wherever it is. It can be pickled, and equals all others of the same file."""

    def __hash__(self) -> int: ...

    def open(self) -> BinaryIO:
        """Return the open file, which can seek."""

    def read(self, start: int = 0, size: int | None = None) -> bytes:
        """Return its bytes, or so many from `start` on; fewer where it ends before."""


@dataclass(frozen=True)
class Place:
    """A file, local or not, or a folder that is one array; what is in it is for others to know.

    Attributes
    ----------
    address : str
        Path or URL, as the system it is on takes it.
    size : int or None
        Bytes; None where its store does not say.
    version : str or None
        Changes when the content does: time of change, entity tag. None where its store says nothing of the kind.
    content : Content
        Its bytes.
    name : str
        As the user would write it.
    below : str
        The way down to it from what was named, with ``/``: where it belongs in a tree that mirrors that.
    path : str or None
        The address of a file on this machine.
    """

    address: str
    size: int | None
    version: str | None
    content: Content
    name: str
    below: str
    path: str | None = None

    @property
    def uri(self) -> str:
        """Name of the place."""
        return uri_of(self.address)

    def item(self) -> Item:
        """Return the place as one image."""
        return Item(
            self.uri, self.size, self.version, self.content.read, name=self.name, below=self.below, path=self.path
        )

    def part(self, member: str, *, size: int | None, load: Callable[[], bytes], below: str | None = None) -> Item:
        """Return an image that is in it, which changes when the place does.

        In a mirrored tree it belongs into a folder of the name of the place; there as `below`, or else as `member`.
        """
        return Item(
            f"{self.uri}#{uri_of(member)}",
            size,
            self.version,
            load,
            name=f"{self.name}#{member}",
            below=f"{PurePosixPath(self.below).with_suffix('')}/{inside(member if below is None else below)}",
        )

    def failed(self, error: str) -> Item:
        """Return the item that says why what is in it can't be told."""
        return failed(self.uri, error, name=self.name)


@dataclass(frozen=True)
class Item:
    """One image of a collection, or what could not be looked into. It can be pickled.

    Attributes
    ----------
    uri : str
        Name, see :func:`uri_of`; what is in a shard has the name of the shard, ``#``, and its own.
    size : int or None
        Bytes; None where that can't be told without reading.
    version : str or None
        With `uri` and `size`, tells a changed image without reading it. None where nothing tells.
    load : callable
        Returns the bytes of an image file; :meth:`read` calls it.
    error : str or None
        Why there is nothing to read.
    name : str
        As the user would write it.
    below : str
        The way down to it from what was named, with ``/``; without a suffix where its format can't be told unread.
    path : str or None
        The file, where it is one of its own on this machine.
    """

    uri: str
    size: int | None
    version: str | None
    load: Callable[[], bytes]
    error: str | None = None
    name: str = ""
    below: str = ""
    path: str | None = None

    def read(self) -> bytes:
        """Return the bytes of an image file.

        Raises
        ------
        ReadError
            If it is gone, can't be read, or is an item with an error.
        """
        if self.error is not None:
            raise ReadError(self.error, source=self.uri)
        try:
            return self.load()
        except FileNotFoundError as error:
            raise ReadError("it is gone since the collection was listed.", source=self.uri) from error
        except LimpidError:
            raise
        # Stores raise what they like.
        except Exception as error:
            reason = getattr(error, "strerror", None) or error
            raise ReadError(f"it can't be read: {reason}.", source=self.uri) from error


def failed(uri: str, error: str, *, name: str = "") -> Item:
    """Return an item that nothing can be read of."""
    return Item(uri, None, None, bytes, error, name=name or address_of(uri))


def inside(path: str) -> str:
    """Return a path that leads nowhere else: without what is empty, or leads up.

    Examples
    --------
    >>> inside("/a//../../b.png")
    'a/b.png'
    """
    return "/".join(part for part in path.split("/") if part not in ("", ".", ".."))


def uri_of(address: str) -> str:
    r"""Return a path or URL as text that any file, terminal and query takes.

    ``%``, ``#``, control characters, and bytes that are no UTF-8 (which Python holds as lone surrogates) become ``%``
    and two hexadecimal digits: :func:`urllib.parse.unquote_to_bytes` gives the very bytes back. All else stays.

    Examples
    --------
    >>> uri_of("/photos/café 1.png"), uri_of("two\nlines.png"), uri_of("latin\udce9.png")
    ('/photos/café 1.png', 'two%0Alines.png', 'latin%E9.png')
    """
    if address.isascii() and address.isprintable() and "%" not in address and "#" not in address:
        return address
    return "".join(
        char if char in _PLAIN or (char.isprintable() and ord(char) > 127) else _escaped(char) for char in address
    )


def address_of(uri: str) -> str:
    """Return the path or URL that :func:`uri_of` made a URI of."""
    return os.fsdecode(unquote_to_bytes(uri)) if "%" in uri else uri


def _escaped(char: str) -> str:
    return quote_from_bytes(char.encode("utf-8", "surrogateescape"), safe="")
