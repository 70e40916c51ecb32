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
from lxgit.build.runmounts import (
    BIND,
    CACHE,
    LOCKED,
    PRIVATE,
    SCRIPT,
    SECRET,
    SHARED,
    TMPFS,
    RunMount,
)
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
    from collections.abc import Callable, Iterator, Mapping, Sequence
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


class _Stock(NamedTuple):
    """What mounts are laid out from: files, the volumes of caches, and secrets, by their ids."""

    taken: Mapping[RunMount, Taken]
    caches: Mapping[str, str]
    secrets: Mapping[str, bytes]


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
    with ExitStack() as held:
        place = held.enter_context(_directory(site.owner))
        caches = _caches(held, site.repository, wanted, taken)
        stock = _Stock(taken, caches, site.request.secrets)
        shown = [
            _KINDS[one.kind](stock, one, place / str(number)) for number, one in enumerate(wanted)
        ]
        if script:
            content = script.encode("utf-8", "surrogateescape")
            written = _written(RunMount(BIND, SCRIPT), place / "script", content)
            shown.append(Shown((written,)))
        yield Shown(
            tuple(mount for one in shown for mount in one.mounts),
            tuple(variable for one in shown for variable in one.environment),
        )


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


def _bind(stock: _Stock, wanted: RunMount, place: Path) -> Shown:
    """Files, from a directory of their own."""
    shown = _lay_out(place, stock.taken[wanted])
    mount = Mount(
        kind=mounts.BIND,
        target=wanted.target,
        source=os.fspath(shown),
        read_only=wanted.read_only,
    )
    return Shown((mount,))


def _cache_volume(stock: _Stock, wanted: RunMount, _: Path) -> Shown:
    mount = Mount(
        kind=mounts.VOLUME,
        target=wanted.target,
        source=stock.caches[wanted.id],
        read_only=wanted.read_only,
        fill=False,
    )
    return Shown((mount,))


def _memory(_: _Stock, wanted: RunMount, __: Path) -> Shown:
    return Shown((Mount(kind=mounts.TMPFS, target=wanted.target, size=wanted.size),))


def _secret(stock: _Stock, wanted: RunMount, place: Path) -> Shown:
    """A secret as a file, a variable, or both; nothing where it may be missing, and is."""
    content = stock.secrets.get(wanted.id)
    if content is None:
        if not wanted.required:
            return Shown()
        raise NoSecret(
            f"the secret '{wanted.id}' was not given", hint=f"--secret id={wanted.id},src=FILE"
        )
    return Shown(
        (_written(wanted, place, content),) if wanted.target else (),
        (_variable(wanted, content),) if wanted.variable else (),
    )


def _variable(wanted: RunMount, content: bytes) -> str:
    if b"\0" in content:
        raise BadSecret(
            f"the secret '{wanted.id}' has a NUL, which no variable can have",
            hint="without env= it is a file",
        )
    return f"{wanted.variable}={os.fsdecode(content)}"


def _written(wanted: RunMount, place: Path, content: bytes) -> Mount:
    """A file of its own, shown as it is wanted; nobody writes to it."""
    with open(place, "xb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
        file.write(content)
        os.fchown(file.fileno(), *wanted.owner)
        os.fchmod(file.fileno(), wanted.mode)
    return Mount(kind=mounts.BIND, target=wanted.target, source=os.fspath(place), read_only=True)


_KINDS: dict[str, Callable[[_Stock, RunMount, Path], Shown]] = {
    BIND: _bind,
    CACHE: _cache_volume,
    TMPFS: _memory,
    SECRET: _secret,
}
"""How each kind is laid out; the path is for what is its own."""
