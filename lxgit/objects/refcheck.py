"""Whether the files of refs and reflogs are what Git and lxgit write.

Stock Git's fsck follows refs to their objects; of a file's own form it says little.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from itertools import pairwise

from lxgit.errors import LxgitError, quoted
from lxgit.objects.commits import decode_tag
from lxgit.objects.database import CorruptObject, MissingObject
from lxgit.objects.deletions import tells_of_none
from lxgit.objects.filelock import lasting, ref_locks
from lxgit.objects.ids import InvalidObjectID, ObjectID, ObjectType, from_hex, hex_id
from lxgit.objects.logcheck import FOUND_SO
from lxgit.objects.lostrefs import LostRefs, lost_told
from lxgit.objects.packedrefs import CorruptRef
from lxgit.objects.refnames import (
    BRANCHES,
    CACHE,
    DELETED,
    PINS,
    RENAMED,
    STASH,
    TAGS,
    is_valid_ref,
    short_name,
    stash_number,
)
from lxgit.objects.refreader import UNCACHE, remedy, restoring, unknown
from lxgit.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

    from lxgit.objects.database import ObjectDatabase
    from lxgit.objects.operationlog import OperationLog

_LOOSE = re.compile(rb"(?:[0-9a-f]{40}|ref: (refs/[^\n]+))\n")
_PACKED = re.compile(rb"([0-9a-f]{40}) ([^\n]+)\n|\^[0-9a-f]{40}\n|#[^\n]*\n")
_LOGGED = re.compile(
    rb"[0-9a-f]{40} [0-9a-f]{40} [^\n\t]*<[^<>\n\t]*> [0-9]+ [+-][0-9]{4}(?:\t[^\n]*)?\n"
)
_CUT_OFF = re.compile(rb"[0-9a-f]{1,40}(?: [0-9a-f]{0,40}(?: [^\n]*)?)?")  # it has no end
_OF_NONE = (b"gc", FOUND_SO.encode())  # in DELETED's log
_MOST_TAGS = 10  # of tags of tags


class RefFault(NamedTuple):
    """What is wrong, the full name of the ref that it is about if it is one, and what to do."""

    message: str
    ref: str | None
    hint: str


class RefVerifier:
    """Verifies the refs and reflogs of one repository.

    `remade` are refs of containers that `fsck --repair` has name what these stand on.
    """

    def __init__(
        self,
        git_dir: Path,
        database: ObjectDatabase,
        log: OperationLog,
        remade: Collection[str] = (),
    ) -> None:
        self._git_dir = str(git_dir)
        self._database = database
        self._log = log
        self._remade = remade

    def faults(self) -> Iterator[RefFault]:
        """All that is wrong with them."""
        found: dict[str, bytes] = dict(self._packed_ids())
        loose = dict(self._files("refs"))
        yield from self._packed_faults()
        for name, content in loose.items():
            if not is_valid_ref(name):
                hint = f"remove '{self._git_dir}/{name}'"
                yield RefFault(f"'{name}' is no ref, and has no place there", name, hint)
            elif not _LOOSE.fullmatch(content):
                told = f"the ref '{name}' is damaged: it holds {quoted(content[:60])}"
                yield RefFault(told, name, self._remedy(name))
            elif not content.startswith(b"ref: "):
                found[name] = content[:40]
        for name, digits in found.items():
            if name.startswith(PINS) and STASH in name and stash_number(name) is None:
                hint = f"'git --git-dir={self._git_dir} update-ref -d {name}' takes it away"
                yield RefFault(f"the ref '{name}' is named as a stash, and is none", name, hint)
            yield from self._target_faults(name, from_hex(digits))
        yield from self._head_faults({name for name in {**found, **loose} if _is_branch(name)})
        yield from self._lost_faults()
        yield from self._log_faults()
        yield from self._lock_faults()

    def _remedy(self, name: str) -> str:
        """What to do when the file holds nothing that a ref can be; of a stash `undo` knows it."""
        if stash_number(name) is None:
            return remedy(self._git_dir, name)
        path = f"{self._git_dir}/{name}"
        with suppress(InvalidObjectID):
            oid = from_hex((self._log.last_value(name) or "").encode())
            if oid in self._database:
                kept = f"'lxgit branch NAME {hex_id(oid)[:12]}' keeps what it was"
                return f"{kept}; then remove '{path}'"
        return unknown(path)

    def _files(self, top: str) -> Iterator[tuple[str, bytes]]:
        for directory, _, files in os.walk(f"{self._git_dir}/{top}"):
            for file in files:
                if file.endswith(".lock"):
                    continue
                path = f"{directory}/{file}"
                try:
                    with open(path, "rb") as opened:
                        yield path[len(self._git_dir) + 1 :], opened.read()
                except FileNotFoundError:
                    pass  # deleted meanwhile

    def _packed(self) -> list[bytes]:
        try:
            with open(f"{self._git_dir}/packed-refs", "rb") as file:
                return file.readlines()
        except FileNotFoundError:
            return []

    def _packed_ids(self) -> Iterator[tuple[str, bytes]]:
        for line in self._packed():
            match = _PACKED.fullmatch(line)
            if match and match[1]:
                yield os.fsdecode(match[2]), match[1]

    def _packed_faults(self) -> Iterator[RefFault]:
        names = [b""]
        path = f"{self._git_dir}/packed-refs"
        for line in self._packed():
            match = _PACKED.fullmatch(line)
            if match is None or (match[1] and not is_valid_ref(os.fsdecode(match[2]))):
                hint = f"take the line out of '{path}'; 'lxgit reflog NAME' says what a name was"
                yield RefFault(f"packed-refs is damaged: it holds {quoted(line[:60])}", None, hint)
            elif match[1]:
                names.append(match[2])
        if any(above >= below for above, below in pairwise(names)):
            hint = f"have the lines of '{path}' in the order of their names"
            yield RefFault("packed-refs is not in order", None, hint)

    def _target_faults(self, name: str, oid: ObjectID) -> Iterator[RefFault]:
        try:
            for _ in range(_MOST_TAGS):
                kind, data = self._database.read(oid)
                if kind is not ObjectType.TAG or not name.startswith((TAGS, DELETED)):
                    break
                oid = decode_tag(data).target
            if kind is not ObjectType.COMMIT and name != DELETED:  # as some tag did
                told = f"the ref '{name}' names a {kind.word.decode()}"
                yield RefFault(told, name, self._elsewhere(name))
        except LxgitError as error:
            hint = self._elsewhere(name)
            if isinstance(error, CorruptObject) and name.startswith((BRANCHES, TAGS)):
                hint = restoring(self._git_dir)  # nothing is wrong with the ref
            elif isinstance(error, MissingObject) and name == DELETED:
                hint += (
                    "; where there is none, 'lxgit gc --now' drops it, and all that no ref reaches"
                )
            yield RefFault(f"the ref '{name}': {error.message}", name, hint)

    def _elsewhere(self, name: str) -> str:
        """What to do about a ref that is sound, but for what it names."""
        short = short_name(name)
        if name == "HEAD":
            return "'lxgit checkout BRANCH' goes to one that is there"
        if name.startswith((BRANCHES, TAGS)):
            verb, gone = ("branch", "-D") if name.startswith(BRANCHES) else ("tag", "-d")
            return (
                f"'lxgit reflog {short}' says what it was, 'lxgit {verb} -f {short} ID' goes there;"
                f" 'lxgit {verb} {gone} {short}' deletes it"
            )
        if name in self._remade:
            return "'lxgit fsck --repair' has it name what the container stands on"
        return UNCACHE if name.startswith(CACHE) else restoring(self._git_dir)

    def _head_faults(self, branches: set[str]) -> Iterator[RefFault]:
        mended = remedy(self._git_dir, "HEAD")
        try:
            with open(f"{self._git_dir}/HEAD", "rb") as file:
                content = file.read()
        except FileNotFoundError:
            yield RefFault("HEAD is missing", "HEAD", mended)
            return
        match = _LOOSE.fullmatch(content)
        target = os.fsdecode(match[1]) if match and match[1] else None
        if match is None or (target is not None and not _is_branch(target)):
            yield RefFault(f"HEAD is damaged: it holds {quoted(content[:60])}", "HEAD", mended)
        elif target is None:
            yield from self._target_faults("HEAD", from_hex(content[:40]))
        elif branches and target not in branches and not self._was_deleted(target):
            told = f"HEAD names '{target}', and there is no such branch"
            yield RefFault(told, "HEAD", mended)

    def _was_deleted(self, name: str) -> bool:
        """Whether a branch is gone that HEAD may still name, or the store's first, not yet made."""
        try:
            with open(f"{self._git_dir}/logs/HEAD", "rb") as file:
                return b" " + os.fsencode(name) in file.read() or name == f"{BRANCHES}main"
        except FileNotFoundError:
            return True

    def _lost_faults(self) -> Iterator[RefFault]:
        """Refs that are gone while their logs are there, unless packed-refs has to be mended."""
        with suppress(CorruptRef):
            for name, oid in LostRefs(self._git_dir).lost().items():
                told, back = lost_told(name, oid)
                known = None if name == RENAMED else name
                yield RefFault(told, known, f"{back}; 'lxgit gc' takes it for deleted")

    def _log_faults(self) -> Iterator[RefFault]:
        """Lines that are none. Not those that a power failure cut off, or left zeros of."""
        for path, content in self._files("logs"):
            name = path.removeprefix("logs/")
            for line in content.splitlines(keepends=True):
                lost = _CUT_OFF.fullmatch(line.rstrip(b"\0")) or line.startswith(b"\0")
                if not lost and not _LOGGED.fullmatch(line):
                    told = f"the reflog of '{name}' is damaged: {quoted(line[:60])}"
                    hint = f"nothing else is lost with that line of '{self._git_dir}/{path}'"
                    yield RefFault(told, name, f"{hint}: take it out")
                elif name == DELETED and not lost:
                    yield from self._deletion_faults(path, line)

    def _deletion_faults(self, path: str, line: bytes) -> Iterator[RefFault]:
        """A line of DELETED's log that tells of no branch or tag, and is not of a gc or of fsck."""
        message = line.partition(b"\t")[2].rstrip(b"\n")
        if message not in _OF_NONE and tells_of_none(os.fsdecode(message)):
            back = f"'lxgit branch NAME {line[41:53].decode()}' brings back what it was"
            yield RefFault(
                f"the reflog of '{DELETED}' tells of no branch or tag: {quoted(message[:60])}",
                DELETED,
                f"{back}; then take that line out of '{self._git_dir}/{path}', or mend its name",
            )

    def _lock_faults(self) -> Iterator[RefFault]:
        """Locks that are in the way of every move, and of seeing what is lost."""
        for lock in ref_locks(self._git_dir):
            fault = lasting(lock)
            if fault is not None:
                yield RefFault(fault.message, None, fault.hint or "")


def _is_branch(name: str) -> bool:
    return name.startswith(BRANCHES) and is_valid_ref(name)
