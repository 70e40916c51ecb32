"""Images in an OCI image layout, or in an archive of `docker save`: where their bytes are.

A layout (image-spec: image-layout.md) has `index.json`, whose descriptors lead to manifests, or
through another index to one for each platform, and those to a config and to layers. Docker's
archive has a `manifest.json` that names them by paths; since version 25 it is a layout as well.
Either comes from strangers: what is JSON has the digest and the size that its descriptor says and a
bound, and layers are compared with the diff ids of the config by whoever unpacks them.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import stat
from typing import Any, Protocol

from lxgit.beneath import open_beneath
from lxgit.errors import LxgitError
from lxgit.objects.content import Slice
from lxgit.oci.layoutwriter import IMAGE_NAME, REF_NAME, Descriptor, blob_path
from lxgit.oci.platform import Platform, platform_of, the_best
from lxgit.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from types import TracebackType
    from typing import Self

    from lxgit.objects.filetree import FileTree

_MOST_JSON = 4 << 20  # bytes; what registries take for a manifest (distribution-spec)
_MOST_LAYERS = 500  # Docker runs 127
_MOST_IMAGES = 1000
_MOST_CONFIGS = 64 << 20  # bytes of all images; what docker save writes has about 10 KB each
_MOST_NESTED = 3  # an index in an index
_NOT_THERE = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENXIO, errno.EXDEV}
_NOT_THERE |= {errno.ENAMETOOLONG}
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_BAD = "fetch or write it again; lxgit reads what docker save, podman save and skopeo write"


class BadLayout(LxgitError):
    """What is no layout, or one that lacks a part or contradicts itself."""

    def __init__(self, message: str, *, hint: str = _BAD) -> None:
        super().__init__(message, hint=hint)


class Manifest(NamedTuple):
    """What an image is made of."""

    config: Descriptor
    layers: tuple[Descriptor, ...]


class FoundImage(NamedTuple):
    """An image that is here: its names, the JSON of its config, its layers, the lowest first."""

    names: tuple[str, ...]
    config: bytes
    layers: tuple[Slice, ...]


class Place(Protocol):
    """Files by name, wherever they are."""

    def part(self, name: str) -> Slice | None:
        """Where the bytes of a file are; None when there is no such file."""


class DirectoryPlace:
    """A directory; its files stay open as long as its `with`."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._root = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._open: list[int] = []
        self._parts: dict[str, Slice | None] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        for fd in (*self._open, self._root):
            os.close(fd)

    def part(self, name: str) -> Slice | None:
        """A regular file that no link leads to; one that many images share is opened once."""
        if self._parts.get(name) is None:
            self._parts[name] = self._opened(name)
        return self._parts[name]

    def _opened(self, name: str) -> Slice | None:
        flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW  # a FIFO has nobody wait
        try:
            fd = open_beneath(self._root, os.fsencode(name), flags)
        except OSError as error:
            if error.errno in _NOT_THERE:
                return None
            raise
        self._open.append(fd)
        status = os.fstat(fd)
        return Slice(fd, 0, status.st_size) if stat.S_ISREG(status.st_mode) else None


class ArchivePlace:
    """The files of an archive that has been read; Docker's older ones have links between layers."""

    def __init__(self, tree: FileTree) -> None:
        self._tree = tree

    def part(self, name: str) -> Slice | None:
        """A member with bytes."""
        node = self._tree.follow(os.fsencode(name))
        content = node.content if node is not None else None
        return content if isinstance(content, Slice) else None


def read_images(place: Place, platform: Platform) -> list[FoundImage]:
    """Every image of a layout or archive, for a platform where there are several. BadLayout."""
    docker, index = place.part("manifest.json"), place.part("index.json")
    if docker is not None:
        return list(_docker_images(place, docker))
    if index is not None:
        return list(_layout_images(place, read_object(_small(index), "index.json"), platform))
    raise BadLayout(
        "there is no image: neither 'index.json' nor 'manifest.json' is there",
        hint="'lxgit import' takes a root file system",
    )


def read_object(data: bytes, what: str) -> dict[str, Any]:
    """A JSON object. BadLayout."""
    value = _read_json(data, what)
    if not isinstance(value, dict):
        raise BadLayout(f"{what} is no object of JSON")
    return value


def _read_json(data: bytes, what: str) -> Any:  # noqa: ANN401  # it is looked at by the caller
    if len(data) > _MOST_JSON:
        raise BadLayout(f"{what} has more than 4 MiB")
    try:
        value = json.loads(data)
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise BadLayout(f"{what} has half a letter, a lone surrogate") from None
    except (ValueError, RecursionError):
        raise BadLayout(f"{what} is not JSON") from None
    return value


def manifest_digest(
    data: bytes, platform: Platform, fetch: Callable[[Descriptor], bytes]
) -> tuple[bytes, str]:
    """The manifest that is meant by a manifest or index, and its digest.

    Of an index it is that for the platform, which `fetch` gets. BadLayout.
    """
    for _ in range(_MOST_NESTED):
        document = read_object(data, "the manifest")
        if "manifests" not in document:
            return data, digest_of(data)
        chosen = the_best(_entries(document), platform)
        data = fetch(descriptor(chosen))
    raise BadLayout("an index leads to an index, and that to another")


def digest_of(data: bytes) -> str:
    """`sha256:` and so on."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def read_manifest(data: bytes) -> Manifest:
    """What a manifest says, OCI's or Docker's. BadLayout."""
    document = read_object(data, "the manifest")
    layers = document.get("layers")
    if document.get("schemaVersion") != 2 or not isinstance(layers, list):
        raise BadLayout(
            "the manifest is of another kind than OCI's or Docker's second",
            hint="'skopeo copy --format v2s2' makes a newer image of an old one",
        )
    if len(layers) > _MOST_LAYERS:
        raise BadLayout(f"the image has {len(layers):,} layers")
    found = Manifest(descriptor(document.get("config")), tuple(map(descriptor, layers)))
    if "config" not in found.config.media_type and "container.image" not in found.config.media_type:
        raise BadLayout(f"it is no image: its config is '{_shown(found.config.media_type)}'")
    for layer in found.layers:
        if "tar" not in layer.media_type or "encrypted" in layer.media_type:
            raise BadLayout(f"a layer is '{_shown(layer.media_type)}', which lxgit does not know")
    return found


def descriptor(value: object) -> Descriptor:
    """What names a blob. BadLayout."""
    fields = value if isinstance(value, dict) else {}
    media_type, digest, size = (fields.get(key) for key in ("mediaType", "digest", "size"))
    if not isinstance(digest, str) or not _DIGEST.fullmatch(digest):
        raise BadLayout(f"{_shown(str(digest))!r} is no digest that lxgit knows")
    if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size < 1 << 63:
        raise BadLayout(f"{digest[:19]} has no possible size")
    return Descriptor(media_type if isinstance(media_type, str) else "", digest, size)


def checked(place: Place, wanted: Descriptor) -> bytes:
    """The bytes of a small blob, which are what its descriptor says. BadLayout."""
    return _checked(wanted, _small(part_of(place, wanted)))


def _checked(wanted: Descriptor, data: bytes) -> bytes:
    if digest_of(data) != wanted.digest:
        raise BadLayout(f"{wanted.digest[:19]} has other bytes than its digest says")
    return data


def part_of(place: Place, wanted: Descriptor) -> Slice:
    """Where a blob is; what it holds is not looked at. BadLayout."""
    part = place.part(blob_path(wanted.digest))
    if part is None:
        raise BadLayout(f"{wanted.digest[:19]} is not there")
    if part.size != wanted.size:
        raise BadLayout(f"{wanted.digest[:19]} has {part.size:,} bytes, not {wanted.size:,}")
    return part


def _small(part: Slice) -> bytes:
    if part.size > _MOST_JSON:
        raise BadLayout("what should be a little JSON has more than 4 MiB")
    return part.whole()


class _Configs:
    """The configs of all images, which are held together: one that many share is read once."""

    def __init__(self) -> None:
        self._read: dict[Slice, bytes] = {}
        self._size = 0

    def read(self, part: Slice) -> bytes:
        """A config. BadLayout, also for more than there may be in all."""
        if part not in self._read:
            self._size += part.size
            if self._size > _MOST_CONFIGS:
                raise BadLayout(
                    f"the images' configs have more than {_MOST_CONFIGS:,} bytes together",
                    hint="several archives may have more",
                )
            self._read[part] = _small(part)
        return self._read[part]


def _layout_images(place: Place, index: dict[str, Any], platform: Platform) -> Iterator[FoundImage]:
    configs = _Configs()
    manifests: dict[str, Manifest] = {}  # which a stranger's index may name again and again
    for entries in _by_name(_entries(index)):
        chosen = entries[0] if len(entries) == 1 else the_best(entries, platform)
        named = descriptor(chosen)
        if named.digest not in manifests:
            data, _ = manifest_digest(
                checked(place, named), platform, lambda one: checked(place, one)
            )
            manifests[named.digest] = read_manifest(data)
        manifest = manifests[named.digest]
        config = _checked(manifest.config, configs.read(part_of(place, manifest.config)))
        layers = tuple(part_of(place, layer) for layer in manifest.layers)
        yield FoundImage(_names(chosen), config, layers)


def _entries(index: dict[str, Any]) -> list[dict[str, Any]]:
    """The descriptors of an index that are of images: a builder's attestations are of none."""
    entries = index.get("manifests")
    if not isinstance(entries, list) or not all(isinstance(one, dict) for one in entries):
        raise BadLayout("an index has no list of manifests")
    if len(entries) > _MOST_IMAGES:
        raise BadLayout(f"an index has {len(entries):,} manifests")
    found = [one for one in entries if platform_of(one) != Platform("unknown", "unknown")]
    if not found:
        raise BadLayout("there is no image in it")
    return found


def _by_name(entries: Iterable[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """The entries of each image: those of one name are one image for several platforms."""
    found: dict[object, list[dict[str, Any]]] = {}
    for number, entry in enumerate(entries):
        names = _names(entry)
        several = platform_of(entry) is not None
        found.setdefault(names or (None if several else number), []).append(entry)
    return list(found.values())


def _names(entry: dict[str, Any]) -> tuple[str, ...]:
    """The name that an annotation says: containerd's, which is whole, or OCI's, often a tag."""
    annotations = entry.get("annotations")
    if not isinstance(annotations, dict):
        return ()
    names = (annotations.get(key) for key in (IMAGE_NAME, REF_NAME))
    return tuple(name for name in names if isinstance(name, str) and name)[:1]


def _docker_images(place: Place, listed: Slice) -> Iterator[FoundImage]:
    rows = _read_json(_small(listed), "manifest.json")
    if not isinstance(rows, list) or not 0 < len(rows) <= _MOST_IMAGES:
        raise BadLayout("manifest.json is no list of images")
    configs = _Configs()
    for row in rows:
        fields = row if isinstance(row, dict) else {}
        config, layers = fields.get("Config"), fields.get("Layers") or []
        if not isinstance(config, str) or not _are_strings(layers) or len(layers) > _MOST_LAYERS:
            raise BadLayout("manifest.json does not say what an image is made of")
        tags = fields.get("RepoTags") or []
        if not _are_strings(tags):
            raise BadLayout("manifest.json has a name that is none")
        found = tuple(_named_part(place, name) for name in layers)
        yield FoundImage(tuple(tags), configs.read(_named_part(place, config)), found)


def _named_part(place: Place, name: str) -> Slice:
    part = place.part(name) if "\0" not in name else None
    if part is None:
        raise BadLayout(f"'{_shown(name)}' is not there")
    return part


def _are_strings(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _shown(text: str) -> str:
    return ascii(text[:120])[1:-1]
