r"""Refs, as Git keeps them in files, and reading them.

(gitrepository-layout(5); refs/files-backend.c of Git's source)

    HEAD             "ref: refs/heads/base\n", or the id of a detached HEAD
    refs/…           a loose ref each: forty digits and a newline; wins over
    packed-refs      "<id> SP <name>\n" each, sorted; and what tags come down to
    logs/…           reflogs
"""

from __future__ import annotations

import os

from lxgit.errors import quoted
from lxgit.lean import suppress
from lxgit.objects.ids import InvalidObjectID, ObjectID, from_hex
from lxgit.objects.packedrefs import CorruptRef, PackedRefs
from lxgit.objects.refnames import (
    BRANCHES,
    CACHE,
    PINS,
    TAGS,
    is_valid_ref,
    short_name,
    stash_number,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

UNCACHE = "'lxgit fsck --repair' drops it: a build makes that step anew"
_DIGITS = 64  # of a container's id
_MOST_SYMBOLIC = 5


def remedy(git_dir: str, name: str) -> str:
    """What to do when the file of that ref holds nothing that a ref can be."""
    if name == "HEAD":
        return "'lxgit checkout BRANCH' has it name one again; 'lxgit reflog' says where it was"
    path, short = f"{git_dir}/{name}", short_name(name)
    for prefix, verb in ((BRANCHES, "branch"), (TAGS, "tag")):
        if name.startswith(prefix):
            known = f"'lxgit reflog {short}' says which ID it was"
            return f"{known}; remove '{path}', then 'lxgit {verb} {short} ID'"
    if is_pin(name):
        return f"remove '{path}': 'lxgit fsck --repair' makes it again"
    if name.startswith(CACHE):
        return UNCACHE
    log = f"{git_dir}/logs/{name}"
    if os.path.exists(log):
        return f"its former values are in '{log}'"
    is_stash = stash_number(name) is not None
    return "'lxgit fsck' says what it was" if is_stash else unknown(path)


def unknown(path: str) -> str:
    """What to do about a ref of which there is nothing but its file."""
    return f"nothing says what it was: remove '{path}'"


def restoring(git_dir: Path | str) -> str:
    """What brings back objects that are damaged or missing, where somebody has cloned the store.

    Not `git fetch`: it asks only for what refs do not reach, and Git compares what comes with the
    damaged object. A pack that is there already is believed, and `gc` leaves the damaged one out.
    What the clone's refs do not reach any more it keeps (`-k`): it may be what is wanted.
    """
    return (
        "where CLONE is the Git directory of a clone that has it, 'git -C CLONE repack -adkq',"
        f" 'cp -f CLONE/objects/pack/pack-* \"{git_dir}/objects/pack/\"' and 'lxgit gc'"
        " bring it back"
    )


def is_pin(name: str) -> bool:
    """Whether the ref says no more than the record of a container does: what it stands on."""
    container = name.removeprefix(PINS).removesuffix("-base")
    return name.startswith(PINS) and len(container) == _DIGITS


class RefReader:
    """The refs of one repository as they are. Names are full: `refs/heads/base`, or HEAD."""

    def __init__(self, git_dir: Path | str) -> None:
        self._git_dir = str(git_dir)
        self._packed = PackedRefs(f"{git_dir}/packed-refs")

    def head(self) -> str | ObjectID:
        """The full name of the branch that HEAD names, which may be unborn, or a detached id."""
        value = self._read_loose("HEAD")
        if value is None:
            raise CorruptRef("HEAD is missing", hint=remedy(self._git_dir, "HEAD"))
        return value

    def read(self, name: str) -> ObjectID | None:
        """The ref's value, through symbolic refs; None when there is none. CorruptRef."""
        for _ in range(_MOST_SYMBOLIC):
            value = self._read_direct(name)
            if not isinstance(value, str):
                return value
            name = value
        raise CorruptRef(f"'{name}' is a symbolic ref that goes round in a circle")

    def list(self, prefix: str = "refs/") -> dict[str, ObjectID]:
        """All refs whose names begin with `prefix`, sorted by name; broken ones are left out.

        Git too leaves them out, with a warning; `git fsck` finds them.
        """
        found: dict[str, ObjectID | None] = {}
        for name in self._loose_names(prefix):
            with suppress(CorruptRef):
                found[name] = self.read(name)
        for name, oid in self._packed.read().items():
            if name.startswith(prefix):
                found.setdefault(name, oid)
        return {name: oid for name, oid in sorted(found.items()) if oid is not None}

    def damaged(self, prefix: str) -> tuple[str, ...]:
        """The names of loose refs whose files hold nothing that a ref can be."""
        found = []
        for name in self._loose_names(prefix):
            try:
                self.read(name)
            except CorruptRef:
                found.append(name)
        return tuple(found)

    def beside(self, name: str) -> tuple[str, ...]:
        """The refs that this one cannot be beside: where its directory would be, or below it."""
        parts = name.split("/")
        above = ["/".join(parts[:count]) for count in range(2, len(parts))]
        return (
            *(one for one in above if self._read_direct(one) is not None),
            *self.list(f"{name}/"),
        )

    def _head_or_none(self) -> tuple[str | ObjectID | None, ObjectID | None]:
        """What HEAD names, and its commit; neither when it is damaged, which a new one mends."""
        try:
            return self._read_loose("HEAD"), self.read("HEAD")
        except CorruptRef:
            return None, None

    def _path(self, name: str) -> str:
        return f"{self._git_dir}/{name}"

    def _read_direct(self, name: str) -> ObjectID | str | None:
        if not is_valid_ref(name):
            return None
        value = self._read_loose(name)
        return self._packed.read().get(name) if value is None else value

    def _read_loose(self, name: str) -> ObjectID | str | None:
        """A loose ref: its id, or the name that a symbolic one stands for."""
        content = self._content(name)
        if content is None:
            return None
        if content.startswith(b"ref:"):
            return os.fsdecode(content[4:].strip())
        try:
            return from_hex(content.rstrip())
        except InvalidObjectID:
            raise CorruptRef(
                f"the ref '{name}' is damaged: it holds {quoted(content[:40])}",
                hint=remedy(self._git_dir, name),
            ) from None

    def _is_there(self, name: str) -> bool:
        """Whether there is a ref, be it damaged."""
        return self._has_file(name) or name in self._packed.read()

    def _has_file(self, name: str) -> bool:
        path = self._path(name)
        return os.path.isfile(path) or os.path.islink(path)

    def _content(self, name: str) -> bytes | None:
        """What stands in a file of the repository; None where there is none."""
        try:
            fd = os.open(self._path(name), os.O_RDONLY | os.O_CLOEXEC)
        except (FileNotFoundError, NotADirectoryError):
            return None
        try:
            return os.read(fd, 4096)
        except IsADirectoryError:
            return None
        finally:
            os.close(fd)

    def _loose_names(self, prefix: str) -> Iterator[str]:
        top = prefix[: prefix.rfind("/") + 1].rstrip("/")
        for directory, _, files in os.walk(self._path(top)):
            below = directory[len(self._git_dir) + 1 :]
            for file in files:
                name = f"{below}/{file}"
                if name.startswith(prefix) and is_valid_ref(name):
                    yield name
