"""The options of a new container that say what it has beside its image."""

from __future__ import annotations

from lxgit.cli.params import Annotated, option
from lxgit.errors import UsageError
from lxgit.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lxgit.operations.volumes import StorageRequest


class Storage(NamedTuple):
    """What it has beside its image."""

    volumes: Annotated[
        tuple[str, ...],
        option(
            "-v",
            "--volume",
            help="a volume, or with a slash in front a path of the host, at PATH",
            metavar="[SOURCE:]PATH[:ro,rslave]",
        ),
    ] = ()
    mounts: Annotated[
        tuple[str, ...],
        option("--mount", help="the same, key by key", metavar="type=…,source=…,target=…"),
    ] = ()
    tmpfs: Annotated[
        tuple[str, ...],
        option("--tmpfs", help="memory at PATH", metavar="PATH[:size=64m,…]"),
    ] = ()
    volumes_from: Annotated[
        tuple[str, ...],
        option(
            "--volumes-from",
            help="what another container has so",
            metavar="CONTAINER[:ro]",
            completes="container",
        ),
    ] = ()
    read_only: Annotated[bool, option("--read-only", help="nothing else can be written to")] = False
    shm_size: Annotated[str, option("--shm-size", help="of its /dev/shm", metavar="SIZE")] = "64m"

    def wanted(self) -> StorageRequest | None:
        """As plain values; None where nothing is asked for. UsageError, InvalidTarget."""
        if self == Storage():
            return None
        from lxgit.cli.mountoptions import storage_request

        return storage_request(
            self.volumes, self.mounts, self.tmpfs, self.volumes_from, read_only=self.read_only
        )

    def memory(self) -> int:
        """Bytes of /dev/shm. UsageError."""
        from lxgit.spelling import parse_memory

        if not (size := parse_memory("--shm-size", self.shm_size)):
            raise UsageError("--shm-size 0 is no size", hint="--shm-size 256m")
        return size
