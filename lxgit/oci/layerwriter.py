"""The difference of two images as a layer of an OCI image: a canonical tar, compressed.

The same two trees give the same bytes, and so the same digests: a registry that has a layer is not
sent it again. The form is that of OCI's image-spec, layer.md: what was removed is an empty file
`.wh.NAME`, before its siblings; what changed is there as it is now, with its whole metadata, and
so are the directories that lead to it. The rules are those of `objects/delta.py`. The layer of an
image without a parent is the whole tree, in the bytes of `lxgit export`.
"""

from __future__ import annotations

import hashlib
from collections import deque
from concurrent.futures import ThreadPoolExecutor

from lxgit.errors import LxgitError
from lxgit.fsutil import write_all
from lxgit.objects.delta import write_delta
from lxgit.objects.diff import diff_images
from lxgit.objects.inflate import gzipper
from lxgit.objects.metadata import Metadata
from lxgit.objects.replay import Blob, replay_image
from lxgit.objects.tarwriter import TarWriter
from lxgit.oci.layerreader import WHITEOUT
from lxgit.progress import NullProgress
from lxgit.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from concurrent.futures import Future

    from lxgit.objects.database import ObjectDatabase
    from lxgit.objects.image import Image
    from lxgit.objects.metadata import Kind
    from lxgit.progress import Progress

_MARKER = Metadata(0o644, 0, 0, 0)
_CHUNK = 1 << 20
_AHEAD = 4
"""Chunks that are in memory at most, but for one that is being made."""


class NotForOCI(LxgitError):
    """Something that an image of OCI cannot hold."""


class Layer(NamedTuple):
    """A layer that has been written: digests as `sha256:…`, `size` in bytes, compressed."""

    diff_id: str
    digest: str
    size: int


def write_layer(
    database: ObjectDatabase, parent: Image | None, child: Image, fd: int, progress: Progress
) -> Layer:
    """Write what makes `child` of `parent`, or all of `child`, to an open file, as tar and gzip.

    `progress` counts the bytes of the tar. Memory is in proportion to the number of paths.
    NotForOCI by path.
    """
    with ThreadPoolExecutor(max_workers=1) as worker:
        packed = _Packed(fd, progress, worker)
        tar = _LayerTar(packed.write, database)
        if parent is None:
            replay_image(database, child, tar, NullProgress())
        else:
            write_delta(database, child, diff_images(parent, child), tar)
        tar.finish()
        return packed.finish()


class _LayerTar(TarWriter):
    """A tar that says what was removed, and takes no name that would say so."""

    def __init__(self, write: Callable[[bytes], object], database: ObjectDatabase) -> None:
        super().__init__(write)
        self._database = database

    def file(self, path: bytes, metadata: Metadata, size: int, chunks: Iterable[bytes]) -> None:
        if isinstance(chunks, Blob):
            chunks = self._database.intact_blob(chunks.oid, _CHUNK) or chunks
        super().file(path, metadata, size, chunks)

    def directory(self, path: bytes, metadata: Metadata) -> None:
        super().directory(_allowed(path), metadata)

    def header(self, path: bytes, metadata: Metadata, size: int) -> None:
        super().header(_allowed(path), metadata, size)

    def symlink(self, path: bytes, metadata: Metadata, target: bytes) -> None:
        super().symlink(_allowed(path), metadata, target)

    def special(
        self, path: bytes, kind: Kind, metadata: Metadata, rdev: tuple[int, int] | None
    ) -> None:
        super().special(_allowed(path), kind, metadata, rdev)

    def link(self, path: bytes, existing: bytes) -> None:
        super().link(_allowed(path), existing)

    def whiteout(self, path: bytes) -> None:
        above, slash, name = path.rpartition(b"/")
        super().header(above + slash + WHITEOUT + name, _MARKER, 0)

    def opaque(self, path: bytes) -> None:
        """Nothing to say: a directory replaces what is no directory, and what it lost is named."""


def _allowed(path: bytes) -> bytes:
    if path.rpartition(b"/")[2].startswith(WHITEOUT):
        raise NotForOCI(
            f"'/{path.decode(errors='backslashreplace')}' cannot be in an image of OCI:"
            " its layers have names in '.wh.' for what was removed",
            hint="'lxgit export' writes a tar that keeps it",
        )
    return path


class _Packed:
    """Bytes on their way into a compressed file, with the digests before and behind.

    They are compressed in a thread, a few chunks behind the one that reads what comes next: the
    libraries let go of the interpreter meanwhile.
    """

    def __init__(self, fd: int, progress: Progress, worker: ThreadPoolExecutor) -> None:
        self._fd = fd
        self._progress = progress
        self._worker = worker
        self._behind: deque[Future[None]] = deque()
        self._pending: list[bytes] = []
        self._amount = 0
        self._gzip = gzipper()
        self._plain = hashlib.sha256()
        self._written = hashlib.sha256()
        self._size = 0

    def write(self, data: bytes) -> None:
        self._pending.append(data)
        self._amount += len(data)
        if self._amount >= _CHUNK:
            whole = memoryview(b"".join(self._pending))
            cut = len(whole) - len(whole) % _CHUNK
            for start in range(0, cut, _CHUNK):
                self._pass_on(whole[start : start + _CHUNK])
            self._pending = [bytes(whole[cut:])]
            self._amount = len(whole) - cut

    def _pass_on(self, data: bytes | memoryview) -> None:
        """Have it compressed. Pieces are of one size: others would give other compressed bytes."""
        if len(self._behind) == _AHEAD:
            self._behind.popleft().result()
        self._behind.append(self._worker.submit(self._pack, data))
        self._progress.advance(len(data))

    def _pack(self, data: bytes | memoryview) -> None:
        self._plain.update(data)
        self._put(self._gzip.compress(data))

    def _put(self, compressed: bytes) -> None:
        self._written.update(compressed)
        self._size += len(compressed)
        write_all(self._fd, compressed)

    def finish(self) -> Layer:
        """Put the end on the file, and say what it has become."""
        self._pass_on(b"".join(self._pending))
        for packing in self._behind:
            packing.result()
        self._put(self._gzip.flush())
        return Layer(
            f"sha256:{self._plain.hexdigest()}", f"sha256:{self._written.hexdigest()}", self._size
        )
