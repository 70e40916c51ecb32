"""The part of `fsck` that is about this machine: containers, and cached layers."""

from __future__ import annotations

import os
from contextlib import suppress

from lxgit.errors import LxgitError
from lxgit.locks import LockHeld
from lxgit.objects.filelock import RefConflict, RefLocked
from lxgit.objects.ids import from_hex, hex_id
from lxgit.objects.packedrefs import CorruptRef
from lxgit.objects.refnames import BRANCHES, TAGS, short_name, stash_number
from lxgit.operations.lookup import image_of
from lxgit.operations.pinning import keep
from lxgit.operations.pins import KEPT, lost_pins, pin_owner, stashed, unpinned_commits
from lxgit.operations.standing import container_of
from lxgit.operations.values import Problem
from lxgit.processes import boot_time
from lxgit.runtime.containers import BrokenContainer, all_containers, broken, data_hint
from lxgit.runtime.erasing import gone
from lxgit.runtime.holders import pinned_layers
from lxgit.runtime.index import ids_of, look_again
from lxgit.runtime.layercheck import Uncompared, layer_faults
from lxgit.runtime.layers import AbsentLayer, BrokenLayer, LayerStore, stack_name
from lxgit.runtime.registering import drop_stray, enter, lacking, strays

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

    from lxgit.progress import Progress
    from lxgit.repository import Repository
    from lxgit.runtime.containers import Container

REPAIR = "'lxgit fsck --repair' makes it again"
_KEPT = "it is kept: it may have what is lost in Git"
_DROP = "'lxgit fsck --repair' drops it; it is made again from Git when it is wanted"


def _ended(container: Container) -> bool:
    """Record that a container has ended, unless it runs; whether that is done."""
    try:
        with container.lock():
            container.record(container.recorded_state().ended())
    except LockHeld:
        return False
    return True


def index_problems(repository: Repository, *, repair: bool) -> Iterator[Problem]:
    """Names and ids of the host that the index does not have.

    To be looked for first: whoever changes the index makes it whole, and nothing is told of that.
    What a power failure took is no damage: that is made again, but on a disk that is read-only.
    """
    takes_entries = look_again(repository.containers_dir)
    containers = all_containers(repository.containers_dir)
    missed = {
        one.id: [entry for entry in lacking(one) if takes_entries or os.path.lexists(entry)]
        for one in containers
    }
    for container in containers:
        yield from _entry_problems(repository, container, missed[container.id], repair=repair)


def container_problems(repository: Repository, *, repair: bool) -> Iterator[Problem]:
    """Records that cannot be read, commits that are missing or that nothing keeps from gc."""
    for identity in broken(repository.containers_dir):
        yield Problem(
            f"container {identity[:12]}: its files do not say what it is",
            (identity[:12],),
            hint=_rescue(repository, identity),
        )
    for container in all_containers(repository.containers_dir):
        name = container.config.name
        try:
            container.sound_state()
        except BrokenContainer:
            yield Problem(
                f"container {container.id[:12]}: its state.json is damaged",
                (name,),
                hint="'lxgit fsck --repair' has it be one that has ended; its files are whole",
                repaired=repair and _ended(container),
            )
        yield from _upper_problems(repository, container, repair=repair)
        missing = False
        for commit in (container.config.commit, container.config.base):
            if commit is not None and from_hex(commit) not in repository.objects:
                missing = True
                yield Problem(
                    f"container {container.id[:12]}: its commit {commit[:12]} is missing", (name,)
                )
        if not missing:
            yield from _pin_problems(repository, container, repair=repair)
    yield from _lost_problems(repository)
    for stray in strays(repository.containers_dir):
        yield Problem(
            f"'containers/{stray.parent.name}/{stray.name}' is no entry of a container",
            hint="'lxgit fsck --repair' removes it, unless a container is damaged that may have it",
            repaired=repair and drop_stray(stray),
        )


def _upper_problems(
    repository: Repository, container: Container, *, repair: bool
) -> Iterator[Problem]:
    """Whether its upper directory is there, if it was."""
    if not container.has_lost_upper or container_of(repository, container.id) != container:
        return
    if repair:
        container.forget_upper()
    yield Problem(
        f"container {container.id[:12]}: its upper directory is gone, with what it had changed",
        (container.config.name,),
        hint="a backup may have it; 'lxgit fsck --repair' has the container be as its commit is",
        repaired=repair,
    )


def _lost_problems(repository: Repository) -> Iterator[Problem]:
    """What is kept for containers that are not there though nobody deleted them."""
    containers = repository.containers_dir
    for ref, oid in lost_pins(repository, ids_of(containers)).items():
        identity = pin_owner(ref)
        # Who deletes one has it `gone` first, then drops the refs.
        if identity in (*ids_of(containers), *gone(containers)) or repository.refs.read(ref) != oid:
            continue
        kept = f"'lxgit branch NAME {hex_id(oid)[:12]}' keeps what that is"
        drop = f"'git --git-dir={repository.git_dir} update-ref -d {ref}' lets go of it"
        yield Problem(
            f"container {identity[:12]} is gone, and nobody deleted it: {_what_is(ref)} is there",
            (identity[:12],),
            hint=f"a backup may have it; {kept}; {drop}",
        )


def _what_is(ref: str) -> str:
    """What a container's ref keeps of it."""
    if stash_number(ref) is not None:
        return "a stash of it"
    return "what it was" if ref.endswith(KEPT) else "the commit that it stood on"


def _rescue(repository: Repository, identity: str) -> str:
    """What there is of a container whose record is damaged."""
    found = data_hint(repository.containers_dir / identity)
    if stashes := list(stashed(repository, identity).values()):
        found.append(f"'lxgit branch NAME {hex_id(stashes[-1])[:12]}' keeps its last stash")
    return "; ".join([*found, f"'lxgit rm -f {identity[:12]}' deletes it"])


def _entry_problems(
    repository: Repository, container: Container, missed: list[Path], *, repair: bool
) -> Iterator[Problem]:
    """Whether the index has the container's name, and its ids of the host: not what it `missed`."""
    if not missed or container_of(repository, container.id) != container:
        return  # it has just been given another
    repaired = repair and enter(container)
    for entry in missed:
        if entry.parent.name == ".names":
            what = f"name '{entry.name}' is"
            hint = "'lxgit rename' gives another where one has it already"
        else:
            what = f"host ids from {entry.name} are"
            hint = "where one has them already, 'lxgit commit' one of the two and make it anew"
        yield Problem(
            f"container {container.id[:12]}: its {what} not its",
            (container.config.name,),
            hint=f"{REPAIR}; {hint}",
            repaired=repaired,
        )


def _pin_problems(
    repository: Repository, container: Container, *, repair: bool
) -> Iterator[Problem]:
    """Whether refs keep the container's commits; one that is at work may be between two."""
    try:
        unkept = unpinned_commits(repository, container)
    except CorruptRef:
        return  # which has been told of
    if not unkept or container_of(repository, container.id) != container:
        return  # it has just been committed
    kept = False
    if repair:
        try:
            keep(repository, container)
            kept = True
        except (RefLocked, RefConflict) as error:
            yield Problem(error.message, hint=error.hint)
    for commit in unkept:
        yield Problem(
            f"container {container.id[:12]}: no ref keeps its commit {commit[:12]}",
            (container.config.name,),
            hint=REPAIR,
            repaired=kept,
        )


def layer_problems(
    repository: Repository, progress: Progress, *, repair: bool
) -> Iterator[Problem]:
    """Layers that show something else than their commit; only root can mount and read them."""
    layers = LayerStore(repository.layers_dir)
    if os.geteuid() != 0:
        return
    with repository.layers_lock(shared=not repair):
        ids = [one for one in layers.all_ids() if not one.startswith(("tmp-", "."))]
        progress.phase("Verifying layers", len(ids))
        faults = {}
        for one in ids:
            try:
                if fault := _layer_fault(layers, repository, one):
                    faults[one] = fault
            except Uncompared as error:
                yield Problem(f"layer {one}: {error.message}", hint=_KEPT)
            progress.advance()
        stacks = {name: _stack_fault(layers, name) for name in layers.stack_names()}
        in_use = pinned_layers(repository)
        whose = list(_whose(repository, layers)) if faults else []
        if repair:
            _drop(layers, faults.keys() - in_use, keep=in_use)
        for one, fault in faults.items():
            hint = "end the containers that run on it first" if one in in_use else _DROP
            done = repair and one not in in_use
            harmed = tuple(name for name, stack in whose if one in stack)
            yield Problem(fault, harmed, hint=hint, repaired=done)
        for told in stacks.values():
            if told is not None:
                yield Problem(told, hint=_DROP, repaired=repair)


def _layer_fault(layers: LayerStore, repository: Repository, layer: str) -> str | None:
    """What is wrong with a layer.

    None when nothing is, when it counts as absent (as do those above such a one), or when gc has
    dropped what it or the one below it shows: nobody asks for it then, and nothing can be said.
    Uncompared.
    """
    try:
        one = layers.layer(layer)
        shown = [one] if one.next_below is None else [one, layers.layer(one.next_below)]
        if any(oid not in repository.objects for each in shown for oid in each.shows):
            return None
        faults = layer_faults(layers, repository.objects, one)
    except AbsentLayer:
        return None
    except BrokenLayer as error:
        faults = [error.message]
    return f"layer {layer}: {'; '.join(faults)}" if faults else None


def _stack_fault(layers: LayerStore, name: str) -> str | None:
    """What is wrong with the name of a stack; None as above.

    One that was written before the machine was started may be all that a power cut left of it.
    """
    path = layers.path / "stacks" / name
    try:
        written = path.read_bytes().decode("ascii").removesuffix("\n")
        if not written.strip("\0"):  # what a power cut leaves of it
            return None
        top = layers.stack(written).top
    except AbsentLayer as error:
        if (layers.path / written).exists() or path.stat().st_mtime < boot_time():
            return None
        return f"the stack {name[:12]} cannot be mounted: {error.message}"
    except BrokenLayer as error:
        return f"the stack {name[:12]} cannot be mounted: {error.message}"
    except (OSError, ValueError) as error:
        return f"the stack {name[:12]} cannot be read: {error}"
    return None if stack_name(top.shows) == name else f"the stack {name[:12]} is another image's"


def _drop(layers: LayerStore, bad: set[str], *, keep: set[str]) -> None:
    """Remove layers, those that lie over them, and the names of stacks that have one."""
    dropped = []
    for one in layers.all_ids():
        try:
            over = set(layers.layer(one).below)
        except BrokenLayer:
            over = set()
        if one in bad or (over & bad and one not in keep):
            dropped.append(one)
    layers.forget_stacks(dropped)
    for one in dropped:
        layers.remove(one)
    layers.forget_broken_stacks()


def _whose(repository: Repository, layers: LayerStore) -> Iterator[tuple[str, Collection[str]]]:
    """The branches, tags and containers, each with the layers that show it.

    What cannot be read of the refs and the images has been told of.
    """
    with suppress(LxgitError):
        for ref, oid in repository.refs.list().items():
            if ref.startswith((BRANCHES, TAGS)):
                with suppress(LxgitError):
                    image = image_of(repository, repository.revisions.peel(oid))
                    yield short_name(ref), layers.ids_in(stack_name(image.filesystem))
    for container in all_containers(repository.containers_dir):
        yield f"container {container.config.name}", container.config.stack
