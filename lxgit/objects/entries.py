"""One entry of a root filesystem: content plus metadata, one unit."""

from __future__ import annotations

from lxgit.objects.metadata import Kind, Metadata
from lxgit.records import dataclass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lxgit.objects.ids import ObjectID


@dataclass(frozen=True, slots=True)
class Entry:
    """What stands at a path.

    `oid` is the blob of a file or of a symlink's target, or the tree of a directory; a FIFO or a
    device has none. `rdev` is (major, minor) of a device.
    """

    kind: Kind
    metadata: Metadata
    oid: ObjectID | None = None
    rdev: tuple[int, int] | None = None

    @property
    def is_directory(self) -> bool:
        return self.kind is Kind.DIRECTORY

    @property
    def executable(self) -> bool:
        """Whether Git's mode is 100755: exactly when the owner may execute."""
        return bool(self.metadata.mode & 0o100)
