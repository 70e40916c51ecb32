"""In what a container differs from others: capabilities, devices, ulimits, sysctls.

Each is kept as the text of a command line, in one spelling. The functions here take a text apart
and refuse every other; what LXC's configuration gets is made of what they give, so nothing in it
is as a user wrote it.
"""

from __future__ import annotations

import os
import re
import stat

from lxgit.errors import LxgitError, UsageError
from lxgit.lean import pattern
from lxgit.records import dataclass
from lxgit.tuples import NamedTuple


@dataclass(frozen=True, slots=True)
class Security:
    """What was asked for beyond the defaults; see `lxgit run --help`."""

    cap_add: tuple[str, ...] = ()  # normalised names of capabilities.py
    cap_drop: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()  # HOST:CONTAINER:rwm
    ulimits: tuple[str, ...] = ()  # NAME=SOFT:HARD
    sysctls: tuple[str, ...] = ()  # NAME=VALUE
    no_new_privileges: bool = False
    seccomp: str = ""  # or "unconfined": every system call
    apparmor: str = ""  # a profile in the place of LXC's, or "unconfined"


USUAL = Security()


class InvalidUlimit(LxgitError):
    """No limit of getrlimit(2)."""


class InvalidSysctl(LxgitError):
    """A kernel parameter that is not the container's own, or a value that none has."""


class InvalidDevice(LxgitError):
    """No device of the host, or no place for one."""


# What setrlimit(2) has and lxc.prlimit.* takes.
_ULIMITS = (
    *("core", "cpu", "data", "fsize", "locks", "memlock", "msgqueue", "nice", "nofile", "nproc"),
    *("rss", "rtprio", "rttime", "sigpending", "stack"),
)
_NUMBER = pattern(r"-1|unlimited|[0-9]{1,18}", re.ASCII)


class Ulimit(NamedTuple):
    """A soft and a hard limit, each a number or `unlimited`."""

    name: str
    soft: str
    hard: str

    @classmethod
    def of(cls, text: str) -> Ulimit:
        """`NAME=SOFT[:HARD]`; -1 is `unlimited`. Raises InvalidUlimit."""
        name, _, values = text.partition("=")
        soft, colon, hard = values.partition(":")
        if name not in _ULIMITS:
            raise InvalidUlimit(f"there is no ulimit '{name}'", hint="one of " + " ".join(_ULIMITS))
        pair = (soft, hard if colon else soft)
        if not all(map(_NUMBER.fullmatch, pair)):
            raise InvalidUlimit(f"'{text}' is no ulimit", hint="--ulimit nofile=1024:2048")
        soft, hard = ("unlimited" if one == "-1" else one for one in pair)
        if hard != "unlimited" and (soft == "unlimited" or int(soft) > int(hard)):
            raise InvalidUlimit(f"'{text}': the soft limit is above the hard one")
        return cls(name, soft, hard)

    def __str__(self) -> str:
        return f"{self.name}={self.soft}:{self.hard}"


UNCONFINED = "unconfined"
_PROFILE = pattern(r"[a-zA-Z0-9_./-]{1,200}", re.ASCII)


class Confinement(NamedTuple):
    """What `--security-opt` says; see Security."""

    no_new_privileges: bool = False
    seccomp: str = ""
    apparmor: str = ""

    @classmethod
    def of(cls, texts: tuple[str, ...]) -> Confinement:
        """Docker's words, with `=` or `:` in them. UsageError."""
        found = cls()
        for text in texts:
            name, _, value = text.replace("=", ":", 1).partition(":")
            if name == "no-new-privileges" and value in ("", "true", "false"):
                found = found._replace(no_new_privileges=value != "false")
            elif name == "seccomp" and value == UNCONFINED:
                found = found._replace(seccomp=value)
            elif name == "apparmor" and _PROFILE.fullmatch(value):
                found = found._replace(apparmor=value)
            else:
                raise UsageError(
                    f"--security-opt knows nothing of '{text}'",
                    hint="no-new-privileges, seccomp=unconfined, apparmor=unconfined or =PROFILE",
                )
        return found


# The parameters that IPC and network namespaces have to themselves: sysctl/kernel.rst and net.rst.
_IPC_SYSCTLS = pattern(
    r"kernel\.(msg(max|mnb|mni)|sem|shm(all|max|mni|_rmid_forced))|fs\.mqueue\.\w+",
    re.ASCII,
)
_NET_SYSCTLS = pattern(r"net\.[a-zA-Z0-9_.-]+", re.ASCII)
_SYSCTL_VALUE = pattern(r"[a-zA-Z0-9 .,:/_-]{1,256}", re.ASCII)


class Sysctl(NamedTuple):
    """A kernel parameter with its dots, and its value."""

    name: str
    value: str

    @classmethod
    def of(cls, text: str, network: str) -> Sysctl:
        """`NAME=VALUE` for a container of this network. Raises InvalidSysctl."""
        name, _, value = text.partition("=")
        if _NET_SYSCTLS.fullmatch(name):
            if network == "host":
                raise InvalidSysctl(f"'{name}' is the host's own with --network host")
            if network.startswith("container:"):
                raise InvalidSysctl(
                    f"'{name}' is for the container whose network it has",
                    hint="--sysctl when that one is made",
                )
        elif not _IPC_SYSCTLS.fullmatch(name):
            raise InvalidSysctl(
                f"a container has no kernel parameter '{name}' of its own",
                hint="net.* and those of IPC: kernel.msg* kernel.sem kernel.shm* fs.mqueue.*",
            )
        if not _SYSCTL_VALUE.fullmatch(value) or ".." in name:
            raise InvalidSysctl(f"'{text}' is no setting", hint="--sysctl NAME=VALUE")
        return cls(name, value)

    def __str__(self) -> str:
        return f"{self.name}={self.value}"

    @property
    def path(self) -> str:
        """Where it is below /proc/sys."""
        return self.name.replace(".", "/")


_RIGHTS = pattern(r"(?!.*(.).*\1)[rwm]+")
_NAME = pattern(r"[a-zA-Z0-9_.:+-]+(/[a-zA-Z0-9_.:+-]+)*", re.ASCII)
_DEV = "/dev/"


class Device(NamedTuple):
    """A device of the host, and where the container has it: a path below its /dev."""

    host: str
    name: str
    rights: str  # of r (read), w (write) and m (make a node)

    @classmethod
    def of(cls, text: str) -> Device:
        """`HOST[:CONTAINER][:RIGHTS]`. Raises InvalidDevice."""
        host, *rest = text.split(":")
        rights = rest.pop() if rest and not rest[-1].startswith("/") else "rwm"
        place = rest.pop() if rest else host
        if rest or not _RIGHTS.fullmatch(rights):
            raise InvalidDevice(f"'{text}' is no device", hint="--device /dev/fuse:/dev/fuse:rwm")
        name = place.removeprefix(_DEV)
        if not place.startswith(_DEV) or not _NAME.fullmatch(name) or ".." in name.split("/"):
            raise InvalidDevice(f"'{place}' is no place for a device", hint="below /dev")
        return cls(host, name, rights)

    def __str__(self) -> str:
        return f"{self.host}:{_DEV}{self.name}:{self.rights}"

    def node(self) -> tuple[int, int]:
        """Its mode and number on this host, as mknod(2) takes them. Raises InvalidDevice."""
        try:
            info = os.stat(self.host)
        except OSError as error:
            raise InvalidDevice(f"device '{self.host}': {error.strerror}") from None
        if not stat.S_ISCHR(info.st_mode) and not stat.S_ISBLK(info.st_mode):
            raise InvalidDevice(f"'{self.host}' is no device")
        return info.st_mode, info.st_rdev

    def rule(self) -> str:
        """What the control group is told: Documentation/admin-guide/cgroup-v1/devices.rst."""
        mode, number = self.node()
        kind = "c" if stat.S_ISCHR(mode) else "b"
        return f"{kind} {os.major(number)}:{os.minor(number)} {self.rights}"
