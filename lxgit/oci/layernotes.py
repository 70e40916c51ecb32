"""What layers have become: a push needs the bytes only of those that the registry lacks.

STORE/layer-notes has a line for each (format.md, "Images of other tools"). The key is the file
systems that the layer leads from and to (`Image.filesystem`), so a note is right for ever. The file
is not flushed: a line that is torn or damaged is none, and a file with another first line is begun
anew.
"""

from __future__ import annotations

import hashlib
import os
import re

from lxgit.fsutil import write_all, write_atomic
from lxgit.objects.ids import hex_id
from lxgit.objects.inflate import maker
from lxgit.oci.layerwriter import Layer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from lxgit.objects.ids import ObjectID

    FileSystem = tuple[ObjectID, ObjectID]
    Between = tuple[FileSystem | None, FileSystem]

_LINE = re.compile(r"((\S+) ([0-9a-f]{64}) ([0-9a-f]{64}) ([0-9]{1,18})) (\S+)")


class LayerNotes:
    """The notes in a file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._header = f"lxgit layer notes 1, {maker()}"
        self._known: dict[str, Layer] | None = None

    def find(self, between: Between) -> Layer | None:
        """What the layer between two file systems has become."""
        if self._known is None:
            self._known = dict(self._read())
        return self._known.get(_key(between))

    def _read(self) -> list[tuple[str, Layer]]:
        try:
            text = self._path.read_text("ascii", errors="replace")
        except FileNotFoundError:
            text = ""
        header, *lines = text.split("\n")
        if header != self._header:
            write_atomic(self._path, f"{self._header}\n".encode(), durable=False)
            return []
        found = [match.groups() for line in lines if (match := _LINE.fullmatch(line))]
        return [
            (key, Layer(f"sha256:{diff_id}", f"sha256:{digest}", int(size)))
            for told, key, diff_id, digest, size, check in found
            if check == _check(told)
        ]

    def add(self, made: Mapping[Between, Layer]) -> None:
        """Note layers that are not noted yet."""
        lines = [
            _line(_key(between), layer)
            for between, layer in made.items()
            if self.find(between) != layer
        ]
        fd = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            write_all(fd, "".join(lines).encode("ascii"))
        finally:
            os.close(fd)


def _key(between: Between) -> str:
    below, image = between
    return "/".join(hex_id(oid) for oid in (*(below or ()), *image))


def _line(key: str, layer: Layer) -> str:
    diff_id, digest = (text.partition(":")[2] for text in layer[:2])
    told = f"{key} {diff_id} {digest} {layer.size}"
    return f"{told} {_check(told)}\n"


def _check(told: str) -> str:
    return hashlib.sha256(told.encode("ascii")).hexdigest()[:16]
