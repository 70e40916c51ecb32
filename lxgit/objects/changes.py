"""A change of one path, and the changeset of an image: neutral between all that carries one."""

from __future__ import annotations

from lxgit.enums import Enum
from lxgit.records import dataclass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lxgit.objects.entries import Entry
    from lxgit.objects.metadata import Metadata


class ChangeKind(Enum):
    """What became of a path; the value is Git's letter."""

    ADDED = "A"
    MODIFIED = "M"
    REMOVED = "D"
    RETYPED = "T"


@dataclass(frozen=True, slots=True)
class Change:
    """One path (no leading slash, `b""` the root) before and after.

    Both entries are there and equal when only the hard links of the path changed.
    """

    path: bytes
    old: Entry | None
    new: Entry | None

    @property
    def kind(self) -> ChangeKind:
        if self.old is None:
            return ChangeKind.ADDED
        if self.new is None:
            return ChangeKind.REMOVED
        return ChangeKind.MODIFIED if self.old.kind is self.new.kind else ChangeKind.RETYPED

    @property
    def content_changed(self) -> bool:
        """Whether bytes, type or device number differ; False for metadata alone."""
        if self.old is None or self.new is None:
            return True
        if self.old.kind is not self.new.kind or self.old.rdev != self.new.rdev:
            return True
        return not self.new.is_directory and self.old.oid != self.new.oid

    @property
    def listed(self) -> bool:
        """Whether people want to see it: not a directory whose mtime alone changed."""
        if self.old is None or self.new is None or not self.new.is_directory:
            return True
        return self.content_changed or _without_mtime(self.old.metadata) != _without_mtime(
            self.new.metadata
        )


def _without_mtime(metadata: Metadata) -> tuple[object, ...]:
    return metadata.mode, metadata.uid, metadata.gid, metadata.xattrs
