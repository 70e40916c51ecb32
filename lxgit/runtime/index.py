"""Containers by name and by id, as their directories and `.names` have them (format.md).

Whoever only has to find a container loads no more than this. Directories are given as text or as
paths.
"""

from __future__ import annotations

import errno
import os
import stat

from lxgit.errors import LxgitError
from lxgit.locks import is_held
from lxgit.runtime.runplace import kernel_boot

TYPE_CHECKING = False
if TYPE_CHECKING:
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
    """Every container's name with its id."""
    look_again(containers)
    try:
        names = os.listdir(f"{containers}/.names")
    except FileNotFoundError:
        return {}
    found = ((name, _named(containers, name)) for name in names)
    return {name: identity for name, identity in found if identity is not None}


def _named(containers: Path | str, name: str) -> str | None:
    """The id of the container of that name, if there is one.

    A link that a crash left stays: by now the name may be another's, and only who holds the list's
    lock can tell (`containers.create`, `erasing.settled`).
    """
    identity = entry(f"{containers}/.names/{name}")
    if identity is not None and record(f"{containers}/{identity}") is not None:
        return identity
    return None


def entry(path: Path | str) -> str | None:
    """The id that an entry of `.names` or `.ranges` leads to; None for what is none."""
    try:
        identity = os.readlink(path)
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.EINVAL):  # of what is no link, as a backup left
            raise
        return None
    return identity if is_id(identity) else None


def record(container: Path | str) -> bytes | None:
    """What stands in the record of a container, whose directory that is.

    None when nothing does, nor anything in an upper directory: it came to nothing. The record is
    not waited for at first, and a power failure leaves zeros of it, or none, when nobody was told
    of the container yet, or it was to go with its command (`config.UPPERS`). What is known,
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
    try:
        os.close(os.open(f"{container}/known", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
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


def look_again(containers: Path | str) -> None:
    """Have the index compared with the containers, once a boot: see `containers.registered`.

    A disk that cannot be written to has the index that it has.
    """
    try:
        with open(f"{containers}/.lock", "rb") as file:
            known = file.read()
    except FileNotFoundError:
        if not ids_of(containers):
            return
        known = b""
    if known.startswith(kernel_boot().encode()):
        return
    from pathlib import Path

    from lxgit.runtime.containers import registered

    try:
        with registered(Path(containers)):
            pass
    except OSError as error:
        if error.errno not in (errno.EROFS, errno.ENOSPC, errno.EDQUOT):
            raise


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
    if is_name(text) and (identity := _named(containers, text)):
        return identity
    found = [
        identity
        for identity in ids_of(containers)
        if identity.startswith(text) and record(f"{containers}/{identity}") is not None
    ]
    what = "have ids that begin with"
    if found and (named := called(containers, text)):
        found, what = named, "are called"
    if len(found) > 1 and text:
        raise AmbiguousContainer(
            f"several containers {what} '{text}'",
            hint="one of " + ", ".join(sorted(identity[:12] for identity in found)),
        )
    if not found or not text:
        raise NoSuchContainer(f"no container '{text}'", hint="'lxgit ps -a' lists them all")
    return found[0]


def called(containers: Path | str, name: str) -> list[str]:
    """The ids of the containers whose records have that name, damaged ones' too.

    The index may have lost it, and then what begins like another's id must not mean that one.
    """
    if is_id(name) or not is_name(name):
        return []
    member = b'\n "name": "%b"' % name.encode()  # as `config.encoded` has it; no value has newlines
    return [
        identity
        for identity in ids_of(containers)
        if member in (record(f"{containers}/{identity}") or b"")
    ]
