"""The hierarchies of control groups that this host has, of either version (cgroups(7))."""

from __future__ import annotations

from pathlib import Path

from lxgit.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

PAYLOAD = "lxc.payload"
"""What LXC has before a container's id, for its group."""


class Hierarchy(NamedTuple):
    """A hierarchy of control groups: where it is mounted, and what is in it."""

    top: Path
    version: int
    controllers: tuple[str, ...]

    def group(self, container: str) -> Path:
        """The control group of a container that runs."""
        return self.top / f"{PAYLOAD}.{container}"

    def offers(self, file: str) -> bool:
        """Whether groups have this file; the topmost one of version 2 has no limits itself."""
        return (self.top / file).exists() or any(self.top.glob(f"*/{file}"))


def hierarchies() -> list[Hierarchy]:
    """Every hierarchy: one of version 2, or those of version 1, or both kinds."""
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as stream:
        return list(_hierarchies(stream))


def _hierarchies(mountinfo: Iterable[str]) -> Iterator[Hierarchy]:
    """As proc_pid_mountinfo(5) tells of them; those of version 1 name their controllers."""
    for line in mountinfo:
        fields = line.split()
        kind = fields[fields.index("-", 6) + 1]
        if kind == "cgroup":
            yield Hierarchy(Path(fields[4]), 1, tuple(fields[-1].split(",")))
        elif kind == "cgroup2":
            top = Path(fields[4])
            names = (top / "cgroup.controllers").read_text("ascii").split()
            yield Hierarchy(top, 2, tuple(names))
