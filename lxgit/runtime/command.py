"""Which file of a root filesystem a command means, and which user a name: looked up inside it."""

from __future__ import annotations

import errno
import os
import stat

from lxgit.beneath import openat2
from lxgit.errors import LxgitError, reason
from lxgit.objects.accounts import MAX_SIZE, account_id, account_lines
from lxgit.objects.imageconfig import DEFAULT_PATH
from lxgit.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence


_SHOWN = 80  # letters of a name that is none


class CommandNotFound(LxgitError):
    """No such program in the container."""

    exit_code = 127


class CommandNotExecutable(LxgitError):
    """What the command names is no program."""

    exit_code = 126


class NoSuchUser(LxgitError):
    """A user or group that the image does not have."""

    exit_code = 125


def find_program(root: int, name: bytes, path: bytes, directory: bytes) -> bytes:
    """The file below `root` that `name` means with this PATH and working directory.

    `root` is a descriptor of the mounted root; no link leads out of it. Raises CommandNotFound or
    CommandNotExecutable, with Docker's exit codes; OSError where nobody can look.
    """
    if b"/" in name:
        file = os.path.join(directory, name)
        fault = _fault(root, file)
        if fault is None:
            return file
        raise _unusable(name, fault)
    denied = False
    for place in path.split(b":") if name else ():
        file = os.path.join(directory, place, name)
        fault = _fault(root, file)
        if fault is None:
            return file
        denied = denied or isinstance(fault, PermissionError)
    if denied:
        raise _unusable(name, PermissionError())
    raise CommandNotFound(
        f"'{os.fsdecode(name)}': executable file not found in $PATH",
        hint=f"PATH is {os.fsdecode(path)}" if name else "name a command",
    )


def _unusable(name: bytes, fault: OSError) -> LxgitError:
    shown = os.fsdecode(name)
    if isinstance(fault, FileNotFoundError | NotADirectoryError):
        return CommandNotFound(f"'{shown}': no such file or directory in the container")
    if isinstance(fault, IsADirectoryError):
        return CommandNotExecutable(f"'{shown}': is a directory")
    if isinstance(fault, PermissionError):
        return CommandNotExecutable(f"'{shown}': permission denied", hint="it is not executable")
    return CommandNotExecutable(f"'{shown}': {reason(fault)}")


_NOT_THERE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG)

_OF_A_NAME = (*_NOT_THERE, errno.EACCES)
"""What is wrong with the name of a command, and not with the looking for it."""


def _fault(root: int, file: bytes) -> OSError | None:
    """Why root of the container cannot execute a file; None when it can."""
    try:
        fd = openat2(root, file, os.O_PATH)
    except OSError as error:
        if error.errno not in _OF_A_NAME:
            raise
        return error
    try:
        mode = os.fstat(fd).st_mode
    finally:
        os.close(fd)
    if stat.S_ISDIR(mode):
        return IsADirectoryError()
    if not stat.S_ISREG(mode) or not mode & 0o111:
        return PermissionError()
    return None


def environment(given: Iterable[str], *, hostname: str, home: str, tty: bool) -> dict[str, str]:
    """What a container's first process has in its environment: these, then what was given.

    `container=lxc` tells programs where they are (systemd's container interface).
    """
    result = {"PATH": DEFAULT_PATH, "HOSTNAME": hostname, "HOME": home, "container": "lxc"}
    if tty:
        result["TERM"] = "xterm"
    for item in given:
        name, _, value = item.partition("=")
        result[name] = value
    return result


class User(NamedTuple):
    """Ids as the container has them, and the home directory."""

    uid: int = 0
    gid: int = 0
    groups: tuple[int, ...] = ()
    home: str = "/root"


def find_user(root: int, text: str, more: Sequence[str] = ()) -> User:
    """`NAME`, `UID`, either with `:GROUP` or `:GID`, by the image's passwd(5) and group(5).

    A number needs no entry there: its group is 0 then, and its home `/`. `more` are names or
    numbers of groups that it has besides. Raises NoSuchUser; OSError for a file that is there and
    cannot be read.
    """
    name, _, group = text.partition(":")
    user = _find_passwd(root, name) if name else User()
    if group:
        user = user._replace(gid=_find_group(root, group), groups=())
    others = (*user.groups, *(_find_group(root, one) for one in more))
    return user._replace(groups=tuple(dict.fromkeys(others)))


def _find_passwd(root: int, name: str) -> User:
    for login, _, uid, gid, _, home, *_ in _fields(root, b"etc/passwd", 6):
        if name in (login, uid):
            ids = account_id(uid), account_id(gid)
            if ids[0] is not None and ids[1] is not None:
                return User(ids[0], ids[1], _groups_of(root, login), home or "/")
    number = account_id(name)
    if number is not None:
        return User(number, 0, (), "/")
    raise NoSuchUser(
        f"the image has no user '{name[:_SHOWN]}'", hint="a number needs no entry in passwd"
    )


def _find_group(root: int, name: str) -> int:
    for group, _, gid, *_ in _fields(root, b"etc/group", 3):
        if name == group and (number := account_id(gid)) is not None:
            return number
    number = account_id(name)
    if number is not None:
        return number
    raise NoSuchUser(
        f"the image has no group '{name[:_SHOWN]}'", hint="a number needs no entry in group"
    )


def _groups_of(root: int, login: str) -> tuple[int, ...]:
    return tuple(
        number
        for _, _, gid, members, *_ in _fields(root, b"etc/group", 4)
        if f",{login}," in f",{members}," and (number := account_id(gid)) is not None
    )


def _fields(root: int, path: bytes, count: int) -> Iterator[Sequence[str]]:
    """Lines of a file such as passwd(5) with at least `count` fields; none without the file.

    Whoever is root in a container can make anything of it while it is read.
    """
    try:
        place = openat2(root, path, os.O_PATH)
    except OSError as error:
        if error.errno not in _NOT_THERE:
            raise
        return
    try:
        status = os.fstat(place)
        if stat.S_ISDIR(status.st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
        if stat.S_ISREG(status.st_mode) and status.st_size <= MAX_SIZE:
            with open(f"/proc/self/fd/{place}", "rb") as file:
                yield from account_lines(file.read(MAX_SIZE), count)
    finally:
        os.close(place)
