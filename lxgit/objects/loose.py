"""Loose objects: each a file, a zlib stream of `<type> <size>`, a NUL and the content.

gitrepository-layout(5) says where they are.
"""

from __future__ import annotations

import contextlib
import os

from lxgit.objects.ids import ObjectID, ObjectType
from lxgit.objects.inflate import BadObjectData, InflateError, inflate_rest, inflater

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from io import FileIO
    from typing import Any

_LONGEST_HEADER = 32
_FIRST_READ = 4096


class LooseObjects:
    """The fan-out directories `00` to `ff` below `objects`."""

    def __init__(self, directory: str) -> None:
        self._directory = directory
        self._listed: dict[int, frozenset[str]] = {}  # names by the first byte of their ids

    def forget(self) -> None:
        """Look anew what is here."""
        self._listed.clear()

    def path(self, oid: ObjectID) -> str:
        """Where the object is, if it is."""
        digits = oid.hex()
        return f"{self._directory}/{digits[:2]}/{digits[2:]}"

    def freshen(self, oid: ObjectID) -> bool:
        """Set the object's time to now, so that no gc takes it; false when it is not here.

        Directories are listed once, until `forget`: an import asks for every file of an image, and
        what comes to be here meanwhile counts as absent.
        """
        names = self._listed.get(oid[0])
        if names is None:
            names = self._listed[oid[0]] = self._list(oid[:1].hex())
        if oid[1:].hex() not in names:
            return False
        try:
            os.utime(self.path(oid))
        except OSError:
            return False
        return True

    def require(self, oid: ObjectID) -> bool:
        """True; FileNotFoundError when it is not here."""
        os.stat(self.path(oid))
        return True

    def describe(self, oid: ObjectID) -> tuple[ObjectType, int]:
        """The object's type, and its size in bytes; FileNotFoundError, BadObjectData."""
        with self._open(oid) as file:
            return _begin(file)[1:3]

    def chunks(self, oid: ObjectID) -> Iterator[bytes]:
        """The object's content, at most 1 MiB at a time; FileNotFoundError, BadObjectData."""
        with self._open(oid) as file:
            engine, _, size, start = _begin(file)
            if start:
                yield start
            yield from inflate_rest(engine, size - len(start), file.read)

    def _open(self, oid: ObjectID) -> FileIO:
        return open(self.path(oid), "rb", buffering=0)

    def _list(self, directory: str) -> frozenset[str]:
        try:
            return frozenset(os.listdir(f"{self._directory}/{directory}"))
        except FileNotFoundError:
            return frozenset()

    def with_prefix(self, digits: str) -> Iterator[ObjectID]:
        """The objects whose ids begin with these hexadecimal digits, two or more."""
        for name in self._list(digits[:2]):
            if len(name) == 38 and name.startswith(digits[2:]):
                with contextlib.suppress(ValueError):
                    yield ObjectID(bytes.fromhex(digits[:2] + name))


def _begin(file: FileIO) -> tuple[Any, ObjectType, int, bytes]:
    """What inflates the rest of the file, and its header: type and size; then the first content."""
    engine = inflater()
    try:
        head: bytes = engine.decompress(file.read(_FIRST_READ), _LONGEST_HEADER)
    except InflateError as error:
        raise BadObjectData(f"damaged zlib stream: {error}") from None
    header, nul, start = head.partition(b"\0")
    word, _, size = header.partition(b" ")
    if not nul or not size.isdigit():
        raise BadObjectData("a broken header")
    try:
        return engine, ObjectType.from_word(word), int(size), start
    except KeyError:
        raise BadObjectData("its type is one that no object has") from None
