"""`links`: which paths of an image are hard links to one inode (format.md, "links").

One line a group. A group has two or more paths, and no path is in two.
"""

from __future__ import annotations

from lxgit.errors import LxgitError, quoted
from lxgit.objects.metadata import InvalidMetadata, unescape_line_name
from lxgit.objects.names import escape_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

Group = tuple[bytes, ...]


class InvalidLinks(LxgitError):
    """A `links` that no writer of lxgit makes."""


class Links:
    """The groups of an image, found by any member's path. Immutable."""

    __slots__ = ("_by_path", "groups")

    def __init__(self, groups: Iterable[Iterable[bytes]] = ()) -> None:
        """Groups of fewer than two paths vanish; a path in two groups is a ValueError."""
        ordered = sorted(tuple(sorted(set(group))) for group in groups)
        self.groups: tuple[Group, ...] = tuple(group for group in ordered if len(group) > 1)
        self._by_path = {path: group for group in self.groups for path in group}
        if len(self._by_path) != sum(map(len, self.groups)):
            raise ValueError("a path is in two groups")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Links) and self.groups == other.groups

    def __hash__(self) -> int:
        return hash(self.groups)

    def __repr__(self) -> str:
        return f"Links({self.groups!r})"

    def __contains__(self, path: bytes) -> bool:
        return path in self._by_path

    def group(self, path: bytes) -> Group:
        """All paths of the inode at `path`, itself included; `(path,)` when it has no other."""
        return self._by_path.get(path, (path,))

    def differing(self, other: Links) -> set[bytes]:
        """Every path whose group is not the same in both."""
        if self.groups == other.groups:
            return set()
        changed = set(self.groups) ^ set(other.groups)
        return {path for group in changed for path in group}


def encode_links(links: Links) -> bytes:
    """The content of the `links` blob."""
    return b"".join(b"\t".join(map(escape_path, group)) + b"\n" for group in links.groups)


def check_path(path: bytes) -> None:
    """InvalidLinks unless `path` is a relative path without empty, `.` or `..` parts."""
    if any(part in (b"", b".", b"..") for part in path.split(b"/")) or b"\0" in path:
        raise InvalidLinks(f"{quoted(path[:80])} is not a path")


def decode_links(data: bytes) -> Links:
    """The inverse of `encode_links`; InvalidLinks for every other spelling."""
    lines = data.split(b"\n")
    groups = []
    try:
        for line in lines[:-1]:
            group = [unescape_line_name(field, allowed=rb"\nt") for field in line.split(b"\t")]
            for path in group:
                check_path(path)
            groups.append(group)
        links = Links(groups)
    except (InvalidMetadata, ValueError) as error:
        raise InvalidLinks(f"links: {error}") from None
    if encode_links(links) != data:
        raise InvalidLinks("links is not canonical")
    return links
