"""Containers of an ordinary user: root of a user namespace, where there is none of the host.

The command itself becomes root of a namespace (`enter`), in which its user's id is 0 and the ids
that /etc/subuid and /etc/subgid give that user come behind it; newuidmap(1) writes the map. With
mounts of its own there, it goes on as it does for root of the host. What such a root cannot do is
decided by `is_active`, wherever a kernel refuses it: layers are directories (EROFS cannot be
mounted), they are shown as they are written (nothing can be mapped again), overlayfs keeps its
attributes under `user.overlay.` (overlayfs.rst, "userxattr"), devices cannot be made, and control
groups and bridges are root's.

Two commands of a user are in two namespaces with one map, so each can do with the files of the
other's what root could. Processes are the user's on the host, and answer to its signals.

Sources: user_namespaces(7), subuid(5), newuidmap(1).
"""

from __future__ import annotations

import errno
import os
from functools import cache

from lxgit.errors import LxgitError
from lxgit.runtime import kernel
from lxgit.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

NEWUIDMAP = "/usr/bin/newuidmap"
_TOOLS = {"uid": NEWUIDMAP, "gid": "/usr/bin/newgidmap"}
_EVERY_ID = b"0 0 4294967295"
_CLOSED = {
    # EPERM or EACCES: an LSM, or a switch of Debian's kernels.
    errno.EPERM: "sysctl kernel.apparmor_restrict_unprivileged_userns=0 where that is 1, or"
    " kernel.unprivileged_userns_clone=1 where that is 0",
    errno.ENOSPC: "`sysctl user.max_user_namespaces` is used up or 0: set it higher",
}


class NoNamespace(LxgitError):
    """An ordinary user gets no namespace to be root of; the message says what is missing."""

    exit_code = 125


class Run(NamedTuple):
    """`length` ids in a row, from `first` on."""

    first: int
    length: int


@cache
def id_map() -> bytes:
    """Which ids this process's namespace has, and whose they are above it; one text for each map.

    The lines of its uid_map, an empty one, and those of its gid_map (user_namespaces(7)).
    """
    texts = []
    for kind in _TOOLS:
        with open(f"/proc/self/{kind}_map", "rb") as stream:
            texts.append(b"\n".join(b" ".join(line.split()) for line in stream))
    return b"\n\n".join(texts)


def is_active() -> bool:
    """Whether this process is in a user namespace below the host's, its root or not."""
    return not id_map().startswith(_EVERY_ID)


def overlay_prefix() -> bytes:
    """What the names of overlayfs's own attributes begin with, in layers written here."""
    return b"user.overlay." if is_active() else b"trusted.overlay."


def user() -> int:
    """The id of whoever runs this process, outside of its namespace."""
    return int(id_map().split()[1]) if is_active() else os.geteuid()


@cache
def runs() -> tuple[Run, ...]:
    """The ids that this process's namespace has, for users and groups alike.

    A namespace within it takes no range that goes over the end of one of these (map_write,
    kernel/user_namespace.c).
    """
    users, groups = (
        [Run(int(words[0]), int(words[2])) for words in map(bytes.split, lines)]
        for lines in (text.split(b"\n") for text in id_map().split(b"\n\n"))
    )
    found = []
    for one in users:
        for other in groups:
            first = max(one.first, other.first)
            end = min(one.first + one.length, other.first + other.length)
            if first < end:
                found.append(Run(first, end - first))
    return tuple(sorted(found))


def has(number: int) -> bool:
    """Whether this process's namespace has that id, for users and groups."""
    return any(0 <= number - run.first < run.length for run in runs())


def enter() -> None:
    """Become root of a namespace with the ids of this process's user, and with mounts of its own.

    For a process of one thread, which goes on with its files and its children; its user's own id is
    0 from now on. Raises NoNamespace.
    """
    helper, go, words = _helper({kind: _arguments(kind) for kind in _TOOLS})
    try:
        kernel.unshare(kernel.CLONE_NEWUSER | kernel.CLONE_NEWNS)
        os.write(go, b"\n")
    except OSError as error:
        raise _closed(error) from error
    finally:
        os.close(go)
        with open(words, encoding="utf-8", errors="replace") as stream:
            said = stream.read().strip()
        _, status = os.waitpid(helper, 0)
    if status:
        raise NoNamespace(
            f"newuidmap could not map your ids: {said}",
            hint="/etc/subuid and /etc/subgid say which ids are yours: see subuid(5)",
        )
    try:  # Ubuntu's AppArmor gives a namespace in which its root can do nothing
        kernel.mount("none", "/", None, kernel.MS_REC | kernel.MS_SLAVE)
    except OSError as error:
        raise _closed(error) from error
    id_map.cache_clear()
    runs.cache_clear()


def _closed(error: OSError) -> NoNamespace:
    hint = _CLOSED.get(errno.EPERM if error.errno == errno.EACCES else error.errno or 0)
    return NoNamespace(
        f"the kernel gives no user namespace to ordinary users: {error.strerror}", hint=hint
    )


def _helper(maps: Mapping[str, Sequence[str]]) -> tuple[int, int, int]:
    """A child that stays outside and gives this process its ids, once it is in.

    Its id; what it is told by that it may begin; and what it says of a failure, until its end.
    """
    words, told = os.pipe()
    begin, go = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.close(go)
            os.dup2(told, 2)
            if os.read(begin, 1):
                tools = [_started(_TOOLS[kind], [str(os.getppid()), *maps[kind]]) for kind in maps]
                code = int(any(os.waitpid(tool, 0)[1] for tool in tools))
        finally:
            os._exit(code)
    os.close(begin)
    os.close(told)
    return child, go, words


def _started(program: str, words: Sequence[str]) -> int:
    return os.posix_spawn(program, [program, *words], {})


def _arguments(kind: str) -> list[str]:
    """What newuidmap or newgidmap is told: its user's own id is 0, and theirs come behind it."""
    if not os.access(_TOOLS[kind], os.X_OK):
        raise NoNamespace(
            f"containers of an ordinary user need {os.path.basename(_TOOLS[kind])}, which is not"
            " installed",
            hint="apt install uidmap; or run as root",
        )
    own, at = (os.geteuid() if kind == "uid" else os.getegid()), 1
    words = ["0", str(own), "1"]
    for run in subordinate(kind):
        words += [str(at), str(run.first), str(run.length)]
        at += run.length
    if at == 1:
        name = user_name()
        raise NoNamespace(
            f"user '{name}' has no ids for containers in /etc/sub{kind}",
            hint=hint_for_ids(name),
        )
    return words


def hint_for_ids(name: str) -> str:
    """What gives a user ids."""
    ranges = "--add-subuids 100000-165535 --add-subgids 100000-165535"
    return f"as root: usermod {ranges} {name}, or other ids that nobody has"


def subordinate(kind: str) -> list[Run]:
    """The ids that this process's user has of /etc/subuid or, `kind` being "gid", /etc/subgid."""
    owners = {user_name(), str(user())}
    return [
        Run(first, count) for owner, first, count in lines(f"/etc/sub{kind}") if owner in owners
    ]


def user_name() -> str:
    """The name of this process's user, or the number where it has none."""
    import pwd

    try:
        return pwd.getpwuid(user()).pw_name
    except KeyError:
        return str(user())


def lines(path: str) -> Iterator[tuple[str, int, int]]:
    """(owner, first id, count) of each line of subuid(5); a line that is none is passed over."""
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            for line in stream:
                fields = line.strip().split(":")
                if len(fields) == 3 and fields[1].isdecimal() and fields[2].isdecimal():
                    yield fields[0], int(fields[1]), int(fields[2])
    except FileNotFoundError:
        return
