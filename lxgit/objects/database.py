"""The objects of a repository, wherever Git keeps them: packs first, then loose files.

pygit2 would do for single objects, at 70 ms for its import; it needs a large object whole in memory
and reads an image's blobs at a third of this speed. Others may pack, repack and delete packs at any
time: whatever is not found is looked for once more among the packs that are there by then.
"""

from __future__ import annotations

import hashlib
import os

from lxgit.errors import LxgitError
from lxgit.objects.ids import (
    READ_LIMIT,
    ObjectID,
    ObjectType,
    hash_trusted,
    hex_id,
    object_header,
)
from lxgit.objects.inflate import BadObjectData
from lxgit.objects.loose import LooseObjects
from lxgit.objects.packindex import BadPack
from lxgit.objects.packs import PackFile, PastLimit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path
    from typing import Self, TypeVar

    from lxgit.objects.packwriter import PackWriter

    _T = TypeVar("_T")
    _Packed = Callable[[PackFile, int, ObjectID], "_T"]

_MOST_OPEN = 200

_RESTORE = "restore it from a clone; `lxgit fsck` finds everything that is damaged"


class MissingObject(LxgitError):
    """The store has no such object."""

    def __init__(self, oid: ObjectID, broken: dict[str, str]) -> None:
        unread = "".join(f"; {name} cannot be read: {why}" for name, why in broken.items())
        super().__init__(f"object {hex_id(oid)} is missing{unread}", hint=_RESTORE)
        self.oid = oid


class CorruptObject(LxgitError):
    """The bytes of an object are not what its id says, or no object at all."""

    def __init__(self, oid: ObjectID, reason: str) -> None:
        super().__init__(f"object {hex_id(oid)} is damaged: {reason}", hint=_RESTORE)
        self.oid = oid


class WrongType(LxgitError):
    """An object is of another type than its place calls for."""


class ObjectTooLarge(LxgitError):
    """An object that only `stream` can read."""


class ObjectDatabase:
    """Reads the objects of a repository, and writes new ones.

    One thread at a time. `close`, or leaving a `with`, gives its file descriptors back.
    """

    def __init__(self, git_dir: Path) -> None:
        self.git_dir = git_dir
        self._pack_directory = f"{git_dir}/objects/pack"
        self._loose = LooseObjects(f"{git_dir}/objects")
        self._packs: list[PackFile] = []  # the last to have what was looked for comes first
        self._broken: dict[str, str] = {}
        self._freshened: set[str] = set()
        self._scanned = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close every pack; they are opened again when needed."""
        for pack in self._packs:
            pack.close()
        self._packs = []
        self._scanned = False

    def read(self, oid: ObjectID) -> tuple[ObjectType, bytes]:
        """The whole object, its bytes compared with its id.

        MissingObject, CorruptObject; ObjectTooLarge beyond READ_LIMIT.
        """
        return self._attempt(oid, _read_packed, self._read_loose)

    def blob(self, oid: ObjectID) -> bytes:
        """A blob's content; as `read`, and WrongType."""
        return self._typed(oid, ObjectType.BLOB)

    def tree(self, oid: ObjectID) -> bytes:
        """A tree's entries as stored; as `read`, and WrongType."""
        return self._typed(oid, ObjectType.TREE)

    def commit(self, oid: ObjectID) -> bytes:
        """A commit's text as stored; as `read`, and WrongType."""
        return self._typed(oid, ObjectType.COMMIT)

    def describe(self, oid: ObjectID) -> tuple[ObjectType, int]:
        """The object's type, and its size in bytes, at the cost of its header."""
        return self._attempt(oid, _describe_packed, self._loose.describe)

    def size(self, oid: ObjectID) -> int:
        """The object's size in bytes."""
        return self.describe(oid)[1]

    def stream(self, oid: ObjectID) -> Iterator[bytes]:
        """A blob's content in chunks of at most 1 MiB, in bounded memory.

        Damage may show as late as behind the last chunk: CorruptObject is raised there when the
        bytes are not those of the id. So what has been made of them is good only after the end.
        """
        return self._attempt(oid, self._stream_packed, self._stream_loose)

    def intact_blob(self, oid: ObjectID, whole: int) -> Iterable[bytes] | None:
        """A blob that the checksums of its pack vouch for, not its id.

        For whoever reads all contents of an image: a quarter less work than `stream`, which is for
        those of which this returns None, whatever the reason. In one piece up to `whole` bytes; of
        a larger one, damage may show as late as in that of `stream`.
        """
        if not self._scanned:
            self.scan()
        for pack in self._packs:
            place = pack.index.locate(oid)
            if place is None:
                continue
            if not pack.is_open:
                self._make_room()
            chunks = pack.intact_blob(place, whole)
            if chunks is not None:
                return chunks if isinstance(chunks, tuple) else _naming(oid, chunks)
        return None

    def __contains__(self, oid: ObjectID) -> bool:
        try:
            return self._attempt(oid, lambda *_: True, self._loose.require)
        except MissingObject:
            return False

    def freshen(self, oid: ObjectID) -> bool:
        """Is the object here? If so, keep gc from taking it, as Git does before it relies on one.

        That sets the time of its pack, once a process, or of its loose file, to now. An object in
        a cruft pack, where gc does not look at that time, counts as absent. So does one that
        another process has written since this one last looked: at worst, it is written twice.
        """
        if not self._scanned:
            self.scan()
        for pack in self._packs:
            if pack.index.find(oid) is not None and self._freshen_pack(pack):
                return True
        return self._loose.freshen(oid)

    def resolve_prefix(self, prefix: str) -> list[ObjectID]:
        """The objects whose ids begin with these 4 to 40 hexadecimal digits; for others none."""
        digits = prefix.lower()
        if not 4 <= len(digits) <= 40 or digits.strip("0123456789abcdef"):
            return []
        self.scan()
        low, high = (bytes.fromhex(digits.ljust(40, fill)) for fill in "0f")
        found = set(self._loose.with_prefix(digits))
        for pack in self._packs:
            found.update(pack.index.with_prefix(low, high))
        return sorted(found)

    def writer(self, *, trusted: bool = False) -> PackWriter:
        """A writer of one pack; `trusted` when no stranger chose what goes into it.

        The caller keeps gc away until a ref is there (Repository.writing).
        """
        from lxgit.objects.packwriter import PackWriter

        self._freshened.clear()  # what gc has dropped since must be noticed
        self._loose.forget()
        return PackWriter(self, trusted=trusted)

    def pack_count(self) -> int:
        """How many packs each look-up may have to go through; those with a .keep left out."""
        names = set(os.listdir(self._pack_directory))
        return sum(name.endswith(".idx") and f"{name[:-4]}.keep" not in names for name in names)

    def consolidate(self) -> None:
        """Make few packs of many small ones, with everything that is in them.

        Git rolls packs up so that each is at least twice the size of all smaller ones together
        (git-repack(1), --geometric): a large one is left alone. Unreachable objects come along,
        packs with a .keep stay.
        """
        from lxgit.objects.git import Git

        Git(self.git_dir).run(
            ["repack", "-d", "-q", "-n", "--geometric=2", "--no-write-bitmap-index"]
        )
        self.scan()

    def scan(self) -> None:
        """Look which packs and loose objects there are now."""
        self._scanned = True
        self._loose.forget()
        names = set(os.listdir(self._pack_directory))
        known = {pack.path for pack in self._packs}
        # A pack that has gone is of use as long as it is open, and to nobody else.
        self._packs = [
            pack for pack in self._packs if pack.is_open or os.path.basename(pack.path) in names
        ]
        for name in sorted(names):
            path = f"{self._pack_directory}/{name[:-4]}"
            if (
                name.endswith(".idx")
                and f"{name[:-4]}.pack" in names
                and f"{path}.pack" not in known
            ):
                self._add_pack(f"{path}.idx")

    def _add_pack(self, index_path: str) -> None:
        try:
            self._packs.insert(0, PackFile(index_path))
        except FileNotFoundError:
            pass  # gone again
        except BadPack as error:
            self._broken[os.path.basename(index_path)] = str(error)

    def _freshen_pack(self, pack: PackFile) -> bool:
        if pack.path in self._freshened:
            return True
        if os.path.exists(pack.path.removesuffix(".pack") + ".mtimes"):
            return False
        try:
            os.utime(pack.path)
        except FileNotFoundError:
            return False
        self._freshened.add(pack.path)
        return True

    def _typed(self, oid: ObjectID, wanted: ObjectType) -> bytes:
        kind, data = self.read(oid)
        _check_type(oid, kind, wanted)
        return data

    def _attempt(self, oid: ObjectID, packed: _Packed[_T], loose: Callable[[ObjectID], _T]) -> _T:
        """The first good answer of all the places where the object is."""
        damage: list[str] = []
        for look_again in (False, True):
            if look_again or not self._scanned:
                self.scan()
            try:
                return self._attempt_once(oid, packed, loose, damage)
            except FileNotFoundError:
                continue
            except BadObjectData as error:
                damage.append(str(error))
            except PastLimit:
                raise ObjectTooLarge(f"object {hex_id(oid)} is too large for memory") from None
        if damage:
            raise CorruptObject(oid, damage[0])
        raise MissingObject(oid, self._broken)

    def _attempt_once(
        self,
        oid: ObjectID,
        packed: _Packed[_T],
        loose: Callable[[ObjectID], _T],
        damage: list[str],
    ) -> _T:
        for number, pack in enumerate(self._packs):
            try:
                offset = pack.index.find(oid)
                if offset is None:
                    continue
                if not pack.is_open:
                    self._make_room()
                answer = packed(pack, offset, oid)
            except FileNotFoundError:  # a pack that has gone since
                continue
            except BadObjectData as error:
                damage.append(str(error))
                continue
            if number:
                self._packs.insert(0, self._packs.pop(number))
            return answer
        return loose(oid)

    def _make_room(self) -> None:
        """Keep a thousand packs from taking all the file descriptors that a process may have."""
        packs = [pack for pack in self._packs if pack.is_open]
        if len(packs) >= _MOST_OPEN:
            for pack in packs:
                pack.release()

    def _read_loose(self, oid: ObjectID) -> tuple[ObjectType, bytes]:
        kind, size = self._loose.describe(oid)
        if size > READ_LIMIT:
            raise PastLimit
        data = b"".join(self._loose.chunks(oid))
        return kind, _checked(oid, kind, data)

    def _stream_loose(self, oid: ObjectID) -> Iterator[bytes]:
        kind, size = self._loose.describe(oid)
        _check_type(oid, kind, ObjectType.BLOB)
        return _checked_stream(oid, size, self._loose.chunks(oid))

    def _stream_packed(self, pack: PackFile, offset: int, oid: ObjectID) -> Iterator[bytes]:
        kind, size, chunks = pack.open(offset, self._spool)
        _check_type(oid, kind, ObjectType.BLOB)
        if isinstance(chunks, bytes):
            return iter((_checked(oid, kind, chunks),))
        return _checked_stream(oid, size, chunks)

    def _spool(self) -> int:
        """A file for what is too large for memory, without a name, beside the objects."""
        import tempfile

        with tempfile.TemporaryFile(dir=self.git_dir, buffering=0) as file:
            return os.dup(file.fileno())


def _read_packed(pack: PackFile, offset: int, oid: ObjectID) -> tuple[ObjectType, bytes]:
    kind, data = pack.read(offset, READ_LIMIT)
    return kind, _checked(oid, kind, data)


def _describe_packed(pack: PackFile, offset: int, _: ObjectID) -> tuple[ObjectType, int]:
    return pack.describe(offset)


def _check_type(oid: ObjectID, kind: ObjectType, wanted: ObjectType) -> None:
    if kind is not wanted:
        raise WrongType(
            f"object {hex_id(oid)} is a {kind.name.lower()}, not a {wanted.name.lower()}"
        )


def _checked(oid: ObjectID, kind: ObjectType, data: bytes) -> bytes:
    if hash_trusted(kind, data) != oid:
        raise BadObjectData("its bytes are those of another object")
    return data


def _naming(oid: ObjectID, chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The chunks; what is wrong with them is wrong with that object."""
    try:
        yield from chunks
    except BadObjectData as error:
        raise CorruptObject(oid, str(error)) from None


def _checked_stream(oid: ObjectID, size: int, chunks: Iterator[bytes]) -> Iterator[bytes]:
    digest = hashlib.sha1(object_header(ObjectType.BLOB, size), usedforsecurity=False)
    for chunk in _naming(oid, chunks):
        digest.update(chunk)
        yield chunk
    if digest.digest() != oid:
        raise CorruptObject(oid, "its bytes are those of another object")
