"""The cache of materialised layers: the files are in format.md, "Layers".

A layer is complete or absent: it is built under another name and renamed. It is not fsynced; it
says the boot that it was made in, and counts as absent after the next one, since a crash that came
between may have left it torn. All of it may be deleted while no container runs.
"""

from __future__ import annotations

import contextlib
import json
import os

from lxgit.beneath import drop, remove_tree
from lxgit.errors import LxgitError
from lxgit.fsutil import write_atomic, write_note
from lxgit.objects.ids import ObjectID
from lxgit.records import dataclass, replace
from lxgit.runtime import rundir
from lxgit.runtime.bases import IMAGE, INDEX, TAR
from lxgit.runtime.idmap import Extent, IdMap, InvalidIdMap

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

    from lxgit.objects.newfile import NewFile
    from lxgit.runtime.overlay import Lower


FileSystem = tuple[ObjectID, ObjectID]
"""What a stack shows: the ids of a root filesystem's tree and of its links (Image.filesystem)."""


EROFS = "erofs"
COMPRESSED = "compressed"
DIRECTORY = "directory"
_FILES = {EROFS: (INDEX, TAR), COMPRESSED: (IMAGE,), DIRECTORY: ()}
_RECORD = "layer.json"
_UNFINISHED = "tmp-"


class BrokenLayer(LxgitError):
    """A layer whose description cannot be read."""


class AbsentLayer(BrokenLayer):
    """A layer that counts as none: of an earlier boot, or half written or removed in a crash."""


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer on disk.

    `form` is EROFS, COMPRESSED or DIRECTORY. `shows` is the file system that a mount of it over
    `below` (ids, bottom first) shows. `idmap` is the map that its inodes were written under,
    `outside_range` the ids of the image from 65,536 up that it uses. `entries` counts the inodes of
    the whole file system that it shows, roughly. `digest` is the SHA-256 of the compressed form's
    file.
    """

    id: str
    path: Path
    form: str
    shows: FileSystem
    below: tuple[str, ...]
    idmap: IdMap
    outside_range: tuple[int, ...]
    entries: int
    boot: str
    digest: str = ""

    @property
    def next_below(self) -> str | None:
        """The id of the layer that it lies on; None for a base layer."""
        return self.below[-1] if self.below else None

    @property
    def directory(self) -> Path:
        """What is mounted of the directory form."""
        return self.path / "fs"

    @property
    def lower(self) -> Lower:
        """The layer as a mount takes it."""
        from lxgit.runtime.overlay import Lower

        files = self.files
        return Lower(self.path if files else self.directory, self.idmap, files)

    @property
    def files(self) -> tuple[str, ...]:
        """What is mounted of the other forms: the image, and what it points into."""
        return _FILES[self.form]

    def encoded(self) -> bytes:
        """The content of layer.json."""
        values = {
            "form": self.form,
            "rootfs": self.shows[0].hex(),
            "links": self.shows[1].hex(),
            "below": self.below,
            "idmap": [[e.inside, e.outside, e.count] for e in self.idmap.extents],
            "outside_range": self.outside_range,
            "entries": self.entries,
            "boot": self.boot,
            "digest": self.digest,
        }
        return json.dumps(values).encode() + b"\n"


@dataclass(frozen=True, slots=True)
class Stack:
    """The layers of one mount, the top first."""

    layers: tuple[Layer, ...]

    @property
    def top(self) -> Layer:
        """The layer that lies over all others: what it shows, the stack does."""
        return self.layers[0]

    @property
    def base(self) -> Layer:
        """The layer that lies over none."""
        return self.layers[-1]

    @property
    def outside_range(self) -> tuple[int, ...]:
        """The ids from 65,536 up that any layer uses, sorted."""
        return tuple(sorted({number for layer in self.layers for number in layer.outside_range}))

    @property
    def lowers(self) -> list[Lower]:
        """The layers as a mount takes them, the top first."""
        return [layer.lower for layer in self.layers]

    @property
    def ids(self) -> tuple[str, ...]:
        """The layers' ids, bottom first."""
        return tuple(layer.id for layer in reversed(self.layers))


def stack_name(shows: FileSystem) -> str:
    """The file name of a stack."""
    return f"{shows[0].hex()}-{shows[1].hex()}"


class LayerStore:
    """The layers of a store."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._stacks = path / "stacks"

    def layer(self, layer_id: str) -> Layer:
        """The layer of that id; BrokenLayer when it is not there whole or is of an earlier boot."""
        path = self.path / layer_id
        try:
            written = (path / _RECORD).read_bytes()
            if not written.strip(b"\0"):  # it is not waited for: what a power cut leaves of it
                raise AbsentLayer(f"layer {layer_id} did not reach the disk")
            values = json.loads(written)
            layer = Layer(
                layer_id,
                path,
                _form(values["form"]),
                (_oid(values["rootfs"]), _oid(values["links"])),
                tuple(values["below"]),
                IdMap(tuple(Extent(*extent) for extent in values["idmap"])),
                tuple(values["outside_range"]),
                values["entries"],
                values["boot"],
                values.get("digest", ""),
            )
        except FileNotFoundError:
            raise AbsentLayer(f"layer {layer_id} is not there") from None
        except (OSError, ValueError, KeyError, TypeError, InvalidIdMap) as error:
            raise BrokenLayer(f"layer {layer_id} cannot be used: {error}") from None
        if layer.boot != rundir.boot_id():
            raise AbsentLayer(f"layer {layer_id} is of an earlier boot")
        return layer

    def stack(self, layer_id: str) -> Stack:
        """The stack whose top is that layer; BrokenLayer when any of it cannot be used."""
        top = self.layer(layer_id)
        return Stack((top, *(self.layer(below) for below in reversed(top.below))))

    def find(self, shows: FileSystem) -> Stack | None:
        """A stack that shows this file system, if one is materialised."""
        try:
            top = (self._stacks / stack_name(shows)).read_text(encoding="ascii").strip()
            return self.stack(top)
        except (OSError, ValueError, BrokenLayer):
            return None

    def recent(self, count: int) -> Iterator[Stack]:
        """Up to `count` stacks, those that were made or renewed last first."""
        try:
            names = sorted(os.scandir(self._stacks), key=_age)
        except FileNotFoundError:
            return
        for entry in names:
            if count <= 0:
                return
            with contextlib.suppress(BrokenLayer, OSError, ValueError):
                with open(entry.path, encoding="ascii") as file:
                    stack = self.stack(file.read().strip())
                count -= 1
                yield stack

    @contextlib.contextmanager
    def building(self) -> Iterator[Path]:
        """An empty directory on the layers' file system for one layer; removed if not published."""
        path = self.path / f"{_UNFINISHED}{os.urandom(8).hex()}"
        path.mkdir(parents=True, mode=0o700)
        try:
            yield path
        finally:
            remove_tree(path)

    @staticmethod
    def directory_in(built: Path) -> Path:
        """Make, in what `building` gave, the empty directory that a layer in that form has."""
        directory = built / "fs"
        directory.mkdir(mode=0o700)
        return directory

    def publish(
        self,
        built: Path,
        shows: FileSystem,
        below: Stack | None,
        *,
        form: str = DIRECTORY,
        idmap: IdMap,
        outside_range: Collection[int],
        entries: int,
    ) -> Stack:
        """Put a finished layer in its place, on top of `below`; returns the stack that it ends."""
        layer_id = os.urandom(8).hex()
        under = below.layers if below is not None else ()
        layer = Layer(
            layer_id,
            self.path / layer_id,
            form,
            shows,
            below.ids if below is not None else (),
            idmap,
            tuple(sorted(outside_range)),
            entries,
            rundir.boot_id(),
        )
        write_atomic(built / _RECORD, layer.encoded(), durable=False)
        os.rename(built, layer.path)
        self._stacks.mkdir(mode=0o700, exist_ok=True)
        write_note(self._stacks / stack_name(shows), layer_id.encode() + b"\n")
        return Stack((layer, *under))

    def compress(self, layer: Layer, image: NewFile, digest: str) -> None:
        """Give a base layer its compressed form, in one step: its record is replaced.

        The caller keeps everybody else out (the store's lock `layers`).
        """
        self.tidy(layer)
        try:
            image.publish(os.fspath(layer.path / IMAGE))
            record = replace(layer, form=COMPRESSED, digest=digest).encoded()
            write_atomic(layer.path / _RECORD, record, durable=False)
        finally:
            self.tidy(self.layer(layer.id))

    @staticmethod
    def tidy(layer: Layer) -> None:
        """Delete the files of a base layer that its form has not: a kill may leave them."""
        for name in os.listdir(layer.path) if layer.files else ():
            if name not in {_RECORD, *layer.files}:
                os.unlink(layer.path / name)

    def all_ids(self) -> list[str]:
        """Every directory of the cache but the stacks', whole or not."""
        try:
            return sorted(name for name in os.listdir(self.path) if name != "stacks")
        except FileNotFoundError:
            return []

    def stack_names(self) -> list[str]:
        """The names of all stacks, whether they can be mounted or not."""
        try:
            return sorted(name for name in os.listdir(self._stacks) if not name.endswith(".tmp"))
        except FileNotFoundError:
            return []

    def usable(self) -> Iterator[Layer]:
        """All that are whole and of this boot."""
        for layer_id in self.all_ids():
            with contextlib.suppress(BrokenLayer):
                yield self.layer(layer_id)

    def absent(self) -> list[str]:
        """The directories that count as no layer: of an earlier boot, half written or removed."""
        found = []
        for layer_id in self.all_ids():
            try:
                self.layer(layer_id)
            except AbsentLayer:
                found.append(layer_id)
            except BrokenLayer:
                pass  # fsck tells of it
        return found

    def drop_absent(self, pinned: Collection[str]) -> None:
        """Remove those, but for what may be in the making: nobody else looks at them.

        Nor `pinned` ones, which containers are mounted on: to whoever had other ids, or where
        layer.json was damaged, they were none until now. The caller keeps others from removing
        layers meanwhile.
        """
        for layer_id in self.absent():
            if layer_id not in pinned and not layer_id.startswith(_UNFINISHED):
                self.remove(layer_id)

    def remove(self, layer_id: str) -> None:
        """Delete a layer, the description first, so that it is absent from then on."""
        with contextlib.suppress(NotADirectoryError):
            drop(self.path / layer_id / _RECORD)
        drop(self.path / layer_id)

    def ids_in(self, name: str) -> set[str]:
        """The layers of the stack of that name, as far as it can be read."""
        try:
            top = (self._stacks / name).read_text(encoding="ascii").strip()
            return {top, *self.layer(top).below}
        except (OSError, ValueError):
            return set()
        except BrokenLayer:
            return {top}

    def forget_stacks(self, dropped: Collection[str]) -> None:
        """Delete the names of stacks that have one of these layers: before the layers go."""
        for name in self.stack_names():
            if not self.ids_in(name).isdisjoint(dropped):
                drop(self._stacks / name)

    def forget_broken_stacks(self) -> None:
        """Delete the names of stacks that can no longer be mounted."""
        for name in self.stack_names():
            rootfs, _, links = name.partition("-")
            try:
                shows = _oid(rootfs), _oid(links)
                found = self.find(shows)
            except ValueError:
                found = None
            if found is None or found.top.shows != shows:
                drop(self._stacks / name)


def _age(entry: os.DirEntry[str]) -> float:
    return -entry.stat(follow_symlinks=False).st_mtime


def _form(text: str) -> str:
    if text not in _FILES:
        raise ValueError(f"unknown form {text!r}")
    return text


def _oid(text: str) -> ObjectID:
    return ObjectID(bytes.fromhex(text))
