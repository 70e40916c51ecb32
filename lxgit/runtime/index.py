"""Containers by name and by id, as their directories and `.names` have them (format.md).

Whoever only has to find a container loads no more than this. Directories are given as text or as
paths.
"""

from __future__ import annotations

import errno
import os
import stat

from lxgit.errors import LxgitError
from lxgit.locks import is_held, locked
from lxgit.runtime.runplace import kernel_boot

TYPE_CHECKING = False
if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path

_HEXADECIMAL = frozenset("0123456789abcdef")
_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")
_NAME = _LETTERS.union("_.-")
_DAMAGE = (
    errno.EIO,
    errno.EBADMSG,
    errno.EUCLEAN,
    errno.EISDIR,
    errno.ENOTDIR,
    errno.ELOOP,
    errno.ENXIO,
)
"""What the kernel says of a file that is damaged, or whose file system is."""


class NoSuchContainer(LxgitError):
    """Neither a container's name nor the beginning of an id."""


class AmbiguousContainer(LxgitError):
    """The beginning of several ids."""


def is_id(text: str) -> bool:
    """Whether that is a container's id: 64 hexadecimal digits."""
    return len(text) == 64 and _HEXADECIMAL.issuperset(text)


def is_name(text: str) -> bool:
    """Whether a container may have that for its name."""
    return 0 < len(text) <= 128 and text[0] in _LETTERS and _NAME.issuperset(text)


def container_names(containers: Path | str) -> dict[str, str]:
    """Every container's name with its id.

    Where the index and a record differ, as a crash leaves them, the record's name counts, and one
    that only a link has stands for its container as long as no record has it.
    """
    look_again(containers)
    return names_as_they_stand(containers)


def names_as_they_stand(containers: Path | str) -> dict[str, str]:
    """The same, for who has looked again already and may hold the list's lock."""
    try:
        links = os.listdir(f"{containers}/.names")
    except FileNotFoundError:
        links = []
    sure: dict[str, str] = {}
    linked: dict[str, str] = {}
    for name in filter(is_name, links):
        if (one := _linked(containers, name)) is not None:
            (sure if _has_name(one[1], name) else linked)[name] = one[0]
    others = set(ids_of(containers)).difference(sure.values())
    recorded = {_name_in(record(f"{containers}/{one}") or b""): one for one in others}
    recorded.pop("", None)
    return {**linked, **recorded, **sure}


def has_name(containers: Path | str, name: str) -> bool:
    """Whether `container_names` has that name."""
    look_again(containers)
    return is_linked(containers, name) or bool(called(containers, name))


def is_linked(containers: Path | str, name: str) -> bool:
    """The same, if the name was given out after `has_name` was asked: then it has its link."""
    return is_name(name) and _linked(containers, name) is not None


def list_lock(containers: Path, *, reading: bool = False) -> AbstractContextManager[int]:
    """Be the only one to give out names of containers, branches and tags (format.md, "Locks").

    Whoever changes the index takes it by `registering.registered`; who is only `reading` may do so
    on a disk that cannot be written to.
    """
    what = "the list of containers"
    return locked(containers / ".lock", reading=reading, lasting=True, what=what)


def _linked(containers: Path | str, name: str) -> tuple[str, bytes] | None:
    """The id of the container that a link of that name leads to, and its record, if there is one.

    A link that a crash left stays: by now the name may be another's, and only who holds the list's
    lock can tell (`creating.create`, `erasing.settled`).
    """
    identity = entry(f"{containers}/.names/{name}")
    found = None if identity is None else record(f"{containers}/{identity}")
    return None if identity is None or found is None else (identity, found)


_BEFORE_NAME = b'\n "name": "'
"""What stands before the name in a record, as `config.encoded` has it; no value has newlines."""


def _has_name(found: bytes, name: str) -> bool:
    return b'%b%b"' % (_BEFORE_NAME, name.encode()) in found


def _name_in(found: bytes) -> str:
    """The name that a record gives; "" for none."""
    name = found.partition(_BEFORE_NAME)[2].partition(b'"')[0].decode(errors="replace")
    return name if is_name(name) else ""


def entry(path: Path | str) -> str | None:
    """The id that an entry of `.names` or `.ranges` leads to; None for what is none."""
    try:
        identity = os.readlink(path)
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.EINVAL):  # of what is no link, as a backup left
            raise
        return None
    return identity if is_id(identity) else None


def withdraw(path: Path, identity: str) -> None:
    """Remove an entry that leads to that container; what is another's by now stays."""
    if entry(path) == identity:
        path.unlink()


def record(container: Path | str) -> bytes | None:
    """What stands in the record of a container, whose directory that is.

    None when nothing does, nor anything in an upper directory: it came to nothing. The record is
    not waited for at first, and a power failure leaves zeros of it, or none, when nobody was told
    of the container yet, or it was to go with its command (`config.PASSING`). What is known,
    runs, or was written in to stay, is never taken for a leftover, nor is one whose record the disk
    does not give.
    """
    try:
        found = content(f"{container}/config.json")
    except FileNotFoundError:
        found = b""
    if found is None:
        return b""
    is_one = found.strip(b"\0") or _holds_data(container) or is_locked(container)
    return found if is_one or os.path.exists(f"{container}/known") else None


def know(container: Path | str) -> None:
    """Note that a record is on the disk: what is missing of it from now on was lost.

    A full disk has it as it is.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK  # what is damaged may be a pipe
    try:
        os.close(os.open(f"{container}/known", flags, 0o600))
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise


def content(file: Path | str) -> bytes | None:
    """What stands in a file of a container; None when the disk does not say, or it is no file.

    FileNotFoundError.
    """
    try:
        with open(file, "rb", opener=_open_at_once) as opened:
            return opened.read() if stat.S_ISREG(os.fstat(opened.fileno()).st_mode) else None
    except OSError as error:
        if error.errno not in _DAMAGE:
            raise
        return None


def _open_at_once(path: str, flags: int) -> int:
    """Open a file, and a pipe without waiting for who writes to it."""
    return os.open(path, flags | os.O_NONBLOCK)


def _holds_data(container: Path | str) -> bool:
    """Whether an upper directory that is to stay has something in it, or cannot be read."""
    try:
        return any(
            name.startswith("upper") and os.listdir(f"{container}/{name}")
            for name in os.listdir(container)
        )
    except FileNotFoundError:
        return False
    except OSError as error:
        if error.errno not in _DAMAGE:
            raise
        return True


def stands(containers: Path | str) -> bytes:
    """What `.lock` says as long as nobody else has changed the index (format.md).

    The first three words are which index it is, a copy being another one; the rest when its
    directories were last changed. FileNotFoundError.
    """
    names, ranges = (os.stat(f"{containers}/{name}") for name in (".names", ".ranges"))
    numbers = (names.st_ino, ranges.st_ino, names.st_ctime_ns, ranges.st_ctime_ns)
    return " ".join((kernel_boot(), *map(str, numbers))).encode()


def look_again(containers: Path | str) -> bool:
    """Have the index compared with the containers, once a boot: see `registering.registered`.

    False where that is due and cannot be done: a disk that cannot be written to has the index that
    it has.
    """
    if _is_known(containers) or not ids_of(containers):
        return True
    from pathlib import Path

    from lxgit.runtime.registering import registered

    try:
        with registered(Path(containers)):
            pass
    except OSError as error:
        if error.errno not in (errno.EROFS, errno.ENOSPC, errno.EDQUOT):
            raise
        return False
    return True


def _is_known(containers: Path | str) -> bool:
    """Whether the index is the one that `.lock` tells of.

    When it was last changed is looked at by who holds that lock: by others it may be at any time.
    """
    try:
        with open(f"{containers}/.lock", "rb") as file:
            return file.read().split()[:3] == stands(containers).split()[:3]
    except FileNotFoundError:
        return False


def is_locked(container: Path | str) -> bool:
    """Whether somebody has the lock of the container of that directory, as its supervisor does."""
    return is_held(f"{container}/lock")


def ids_of(containers: Path | str) -> list[str]:
    """The ids of what has a directory, in no order."""
    try:
        return [name for name in os.listdir(containers) if is_id(name)]
    except FileNotFoundError:
        return []


def find_id(containers: Path | str, text: str) -> str:
    """The id of the container that has this name, or whose id begins so.

    Raises NoSuchContainer, or AmbiguousContainer with the candidates.
    """
    look_again(containers)
    linked = _linked(containers, text) if is_name(text) else None
    if linked is not None and _has_name(linked[1], text):
        return linked[0]
    what = "are called"
    found = called(containers, text)
    if not found and linked is not None:
        return linked[0]
    if not found:
        found, what = beginning_so(containers, text), "have ids that begin with"
    if len(found) > 1 and text:
        raise AmbiguousContainer(
            f"several containers {what} '{text}'",
            hint="one of " + ", ".join(sorted(identity[:12] for identity in found)),
        )
    if not found or not text:
        raise none_called(text)
    return found[0]


def none_called(text: str) -> NoSuchContainer:
    """The error for a name or the beginning of an id that is no container's."""
    return NoSuchContainer(f"no container '{text}'", hint="'lxgit ps -a' lists them all")


def beginning_so(containers: Path | str, text: str) -> list[str]:
    """The ids of the containers whose ids begin so."""
    return [
        identity
        for identity in ids_of(containers)
        if identity.startswith(text) and record(f"{containers}/{identity}") is not None
    ]


def called(containers: Path | str, name: str) -> list[str]:
    """The ids of the containers whose records have that name, damaged ones' too.

    The index may have lost it, and then what begins like another's id must not mean that one.
    """
    if is_id(name) or not is_name(name):
        return []
    return [
        identity
        for identity in ids_of(containers)
        if _has_name(record(f"{containers}/{identity}") or b"", name)
    ]
