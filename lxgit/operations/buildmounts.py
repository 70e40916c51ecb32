"""`RUN --mount`: what is laid out for a command before it runs, and goes when it has.

Files of the context, or of another stage, are copied into the build's own directory and shown from
there, so that no link leads out of them and what the command writes to them is nobody's. A cache is
a volume with a label. A secret is a file for the time of the command alone.
"""

from __future__ import annotations

import hashlib
import os
from contextlib import ExitStack, contextmanager, suppress
from itertools import count

from lxgit.beneath import remove_tree
from lxgit.build.runmounts import BIND, CACHE, LOCKED, PRIVATE, SCRIPT, SHARED, TMPFS, RunMount
from lxgit.build.taking import CopyRequest, take
from lxgit.errors import LxgitError
from lxgit.fsutil import sync_filesystem
from lxgit.locks import LockHeld, locked
from lxgit.objects.dockerlines import BadInstruction
from lxgit.objects.filetree import put_nodes
from lxgit.objects.metadata import Kind, Metadata
from lxgit.runtime import mounts, volumes
from lxgit.runtime.directory_layer import DirectoryWriter
from lxgit.runtime.mounts import Mount
from lxgit.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from lxgit.build.taking import Taken
    from lxgit.operations.buildsteps import Site, Stage
    from lxgit.repository import Repository

LABEL = "lxgit.build.cache"
"""Of a volume that is a cache: its id."""

_STRICTEST = (LOCKED, PRIVATE, SHARED)


class NoSecret(LxgitError):
    """A step needs a secret that nobody gave."""


class BadSecret(LxgitError):
    """A secret that cannot be shown as a step wants it."""


class Shown(NamedTuple):
    """What a command is shown: mounts, and variables, `NAME=VALUE` each."""

    mounts: tuple[Mount, ...] = ()
    environment: tuple[str, ...] = ()


def taken_for(stage: Stage, wanted: Sequence[RunMount]) -> dict[RunMount, Taken]:
    """The files that binds show, and that caches begin with. Errors of `take`."""
    found = {}
    for one in wanted:
        if one.kind == BIND or (one.kind == CACHE and one.origin):
            source = stage.source_of(one.origin) if one.origin else stage.site.context.source
            found[one] = take(source, CopyRequest((one.source,), "/", stage.site.now))
    return found


@contextmanager
def laid_out(
    site: Site, wanted: Sequence[RunMount], taken: Mapping[RunMount, Taken], script: str = ""
) -> Iterator[Shown]:
    """What a command is shown, while the context lasts; a `script` is at SCRIPT.

    NoSecret, BadSecret; OSError.
    """
    found: list[Mount] = []
    environment: list[str] = []
    with ExitStack() as held:
        place = held.enter_context(_directory(site.owner))
        caches = _caches(held, site.repository, wanted, taken)
        for number, one in enumerate(wanted):
            path = place / str(number)
            if one.kind == BIND:
                shown = _lay_out(path, taken[one])
                found.append(
                    Mount(
                        kind=mounts.BIND,
                        target=one.target,
                        source=os.fspath(shown),
                        read_only=one.read_only,
                    )
                )
            elif one.kind == CACHE:
                found.append(
                    Mount(
                        kind=mounts.VOLUME,
                        target=one.target,
                        source=caches[one.id],
                        read_only=one.read_only,
                        fill=False,
                    )
                )
            elif one.kind == TMPFS:
                found.append(Mount(kind=mounts.TMPFS, target=one.target, size=one.size))
            elif (content := _secret(site, one)) is not None:
                if one.variable:
                    if b"\0" in content:
                        raise BadSecret(
                            f"the secret '{one.id}' has a NUL, which no variable can have",
                            hint="without env= it is a file",
                        )
                    environment.append(f"{one.variable}={os.fsdecode(content)}")
                if one.target:
                    found.append(_written(path, content, one))
        if script:
            content = script.encode("utf-8", "surrogateescape")
            found.append(_written(place / "script", content, RunMount(BIND, SCRIPT)))
        yield Shown(tuple(found), tuple(environment))


@contextmanager
def _directory(owner: Path) -> Iterator[Path]:
    place = owner / "mounts"
    place.mkdir(mode=0o700)
    try:
        yield place
    finally:
        remove_tree(place)


def _lay_out(place: Path, taken: Taken) -> Path:
    """The files in a directory of their own; the path of what is to be shown."""
    place.mkdir(mode=0o700)
    if len(taken.roots) != 1:
        raise BadInstruction("a bind shows one file or directory", hint="source=PATH")
    (root,) = taken.roots
    with DirectoryWriter(place) as sink:
        if root.node.kind is Kind.DIRECTORY:
            put_nodes(sink, [(b"", root.node), *root.below])
            return place
        sink.directory(b"", Metadata(0o755, 0, 0, 0))
        put_nodes(sink, [(b"file", root.node)])
    return place / "file"


def _caches(
    held: ExitStack,
    repository: Repository,
    wanted: Sequence[RunMount],
    taken: Mapping[RunMount, Taken],
) -> dict[str, str]:
    """The volume of each cache, by its id.

    They are locked in the order of ids, so that no two steps wait for each other, and each once,
    as the strictest of its mounts wants it.
    """
    strictest = sorted(
        (one for one in wanted if one.kind == CACHE),
        key=lambda one: (one.id, _STRICTEST.index(one.sharing)),
    )
    names: dict[str, str] = {}
    for one in strictest:
        if one.id not in names:
            names[one.id] = held.enter_context(_cache(repository, one, taken.get(one)))
    return names


@contextmanager
def _cache(repository: Repository, wanted: RunMount, taken: Taken | None) -> Iterator[str]:
    """The volume that is the cache of that id, made when it is wanted for the first time."""
    name = f"build-cache-{hashlib.sha256(os.fsencode(wanted.id)).hexdigest()[:16]}"
    what = f"the build cache '{wanted.id}'"
    with ExitStack() as held:
        for number in count():
            place = f"{name}-{number}" if number else name
            volume = _volume(repository, wanted, place, taken)
            lock = locked(
                volume.path / "commands",
                shared=wanted.sharing == SHARED,
                wait=wanted.sharing != PRIVATE,
                what=what,
            )
            with suppress(LockHeld):
                held.enter_context(lock)
                break
        yield volume.name


def _volume(
    repository: Repository, wanted: RunMount, name: str, taken: Taken | None
) -> volumes.Volume:
    """The volume of that name, with what it has at first."""
    with volumes.kept(repository.volumes_dir):
        volume = volumes.create(repository.volumes_dir, name, {LABEL: wanted.id})
        made = volume.path / "made"
        with locked(volume.path / "making", what=f"the build cache '{wanted.id}'"):
            if not made.exists():
                _begin(volume.data, wanted, taken)
                sync_filesystem(volume.path)  # it never begins again
                made.touch()
    return volume


def _begin(data: Path, wanted: RunMount, taken: Taken | None) -> None:
    """Have a directory as a cache begins, whatever a killed command has left there."""
    remove_tree(data)
    if taken is None:
        data.mkdir(mode=0o700)
        os.chown(data, *wanted.owner)
        data.chmod(wanted.mode)
    elif _lay_out(data, taken) != data:
        raise BadInstruction("a cache begins with a directory", hint="source=PATH")


def drop_caches(repository: Repository) -> int:
    """Delete the caches that no container has; how many."""
    from lxgit.operations.volumes import prune_volumes

    gone = prune_volumes(repository, everything=True, filters=(f"label={LABEL}",))
    return len(gone.names)


def _secret(site: Site, wanted: RunMount) -> bytes | None:
    """The content of a secret; None where it was not given, and may be missing."""
    content = site.request.secrets.get(wanted.id)
    if content is None and wanted.required:
        raise NoSecret(
            f"the secret '{wanted.id}' was not given", hint=f"--secret id={wanted.id},src=FILE"
        )
    return content


def _written(path: Path, content: bytes, wanted: RunMount) -> Mount:
    """A file of its own, shown as it is wanted; nobody writes to it."""
    with open(path, "xb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
        file.write(content)
        os.fchown(file.fileno(), *wanted.owner)
        os.fchmod(file.fileno(), wanted.mode)
    return Mount(kind=mounts.BIND, target=wanted.target, source=os.fspath(path), read_only=True)
