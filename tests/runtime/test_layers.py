"""Layers, deltas and upperdirs against each other: what Git has is what a mount shows."""

from __future__ import annotations

import os
import shutil
from functools import partial
from typing import TYPE_CHECKING

import pytest

from lxgit.objects.changeset import apply
from lxgit.objects.commits import Commit, encode_commit
from lxgit.objects.entries import Entry
from lxgit.objects.ids import ObjectID, ObjectType
from lxgit.objects.image import Image, read_image, write_image
from lxgit.objects.imageconfig import ImageConfig
from lxgit.objects.ingest import write_content
from lxgit.objects.metadata import Kind
from lxgit.objects.scratch import ScratchObjects
from lxgit.repository import Repository, create_repository
from lxgit.runtime.idmap import IdMap
from lxgit.runtime.layers import COMPRESSED, DIRECTORY, LayerStore, Stack
from lxgit.runtime.materialise import MAX_DEPTH, Materialiser
from lxgit.runtime.upper import drop_unrecorded, read_upper
from tests.support import forms
from tests.support.meddling import Meddler
from tests.support.mounts import mounted
from tests.support.overlays import on_overlay
from tests.support.stores import Listener, image_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from lxgit.objects.filetree import Node
    from lxgit.objects.packwriter import PackWriter

pytestmark = [pytest.mark.root, pytest.mark.overlay]

SEEDS = {forms.FILE: range(5), forms.LOOP: range(2), COMPRESSED: range(3), DIRECTORY: range(4)}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """The suite on every form of a base layer."""
    if "seed" in metafunc.fixturenames:
        runs = [
            pytest.param(form, seed, marks=[] if form == DIRECTORY else pytest.mark.erofs)
            for form, seeds in SEEDS.items()
            for seed in seeds
        ]
        metafunc.parametrize(("form", "seed"), runs)
    elif metafunc.function in (test_a_thousand_commits, test_a_long_history_stays_shallow):
        # What takes long, and no form makes different.
        metafunc.parametrize("form", forms.FORMS[:1])
    elif "form" in metafunc.fixturenames:
        metafunc.parametrize("form", forms.FORMS)


@pytest.fixture
def machine(
    store_dir: Path, scratch: Path, form: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Machine]:
    """A new store with an empty image, its base layers in the wanted form."""
    forms.force(monkeypatch, form)
    made = Machine(store_dir, scratch)
    yield made
    made.close()


def write_node(writer: PackWriter, node: Node) -> Entry:
    """Write what Git holds of a node, and return the entry; of a directory, the metadata alone."""
    oid = None
    if node.content is not None:
        oid = write_content(writer, node.content)
    elif node.kind is Kind.SYMLINK:
        oid = writer.add(ObjectType.BLOB, node.target)
    return Entry(node.kind, node.metadata, oid, node.rdev)


class Machine:
    """A store, the image that is checked out, and the container's directory."""

    def __init__(self, store: Path, work: Path) -> None:
        self.repository = create_repository(store)
        self.materialiser = Materialiser(self.repository, Listener())
        self.layers = LayerStore(self.repository.layers_dir)
        self.work = work
        self.image = self._write(work / "first")

    def close(self) -> None:
        self.repository.objects.close()

    def _write(self, root: Path) -> Image:
        root.mkdir(exist_ok=True)
        fd = os.open(root, os.O_RDONLY)
        try:
            return image_of(self.repository, fd)
        finally:
            os.close(fd)

    def stack(self) -> Stack:
        return self.materialiser.stack(self.image)

    def session(self, change: Callable[[], None]) -> tuple[Image, Image]:
        """Change the machine as a container does; the image by its upperdir, and by a full walk."""
        walked = self.work / "walked"

        def work() -> None:
            change()
            fd = os.open(".", os.O_RDONLY)
            walked.write_bytes(image_of(self.repository, fd).tree)

        by_upper = self.step(work)
        by_walk = read_image(self.repository.objects, walked.read_bytes())  # type: ignore[arg-type]
        return by_upper, by_walk

    def step(self, change: Callable[[], None]) -> Image:
        """The same without the walk, which takes the longest."""
        stack = self.stack()
        container = self.work / "container"
        shutil.rmtree(container, ignore_errors=True)
        upper = container / "upper"
        upper.mkdir(parents=True)
        self._dress(upper)
        on_overlay(stack, container, change)
        return self.commit(stack, upper)

    def _dress(self, upper: Path) -> None:
        """Give an upperdir the metadata of the image's root directory."""
        metadata = self.image.root().metadata
        upper.chmod(metadata.mode)
        os.utime(upper, ns=(metadata.mtime, metadata.mtime))

    def commit(self, stack: Stack, upper: Path) -> Image:
        """Objects from the upperdir, which becomes a layer."""
        objects = self.repository.objects
        fd = os.open(upper, os.O_RDONLY)
        try:
            state = read_upper(fd, IdMap.identity())
            with objects.writer() as writer:
                scratch = ScratchObjects(objects, writer)
                rootfs, links = apply(
                    state, self.image, scratch, lambda _, node: write_node(writer, node)
                )
                tree = write_image(scratch, rootfs, links, ImageConfig())
                writer.finish().release()
            drop_unrecorded(fd, state)
        finally:
            os.close(fd)
        self.image = read_image(objects, tree)
        with self.layers.building() as built:
            upper.rename(self.layers.directory_in(built))
            self.layers.publish(
                built,
                self.image.filesystem,
                stack,
                idmap=IdMap.identity(),
                outside_range=(),
                entries=stack.top.entries,
            )
        return self.image

    def walk(self, stack: Stack) -> Image:
        """The image that a mount of the stack shows."""
        with mounted(stack.lowers) as fd:
            root = os.open(f"/proc/self/fd/{fd}", os.O_RDONLY | os.O_DIRECTORY)
            try:
                return image_of(self.repository, root)
            finally:
                os.close(root)


def same(left: Image, right: Image) -> None:
    assert left.links == right.links
    assert dict(left.walk()) == dict(right.walk())
    assert left.tree == right.tree


@pytest.mark.scale
def test_sessions_one_on_the_other(machine: Machine, seed: int) -> None:
    """After each: upperdir, walk, the layer it became, and a delta from Git agree."""
    meddler = Meddler(seed)
    bases = [machine.image]
    for _ in range(6):
        by_upper, by_walk = machine.session(meddler)
        same(by_upper, by_walk)
        same(by_upper, machine.walk(machine.stack()))
        delta = delta_between(machine, meddler.random.choice(bases), by_upper)
        same(by_upper, machine.walk(delta))
        bases.append(by_upper)
    shutil.rmtree(machine.repository.layers_dir)
    stack = machine.stack()
    assert len(stack.layers) == 1
    same(machine.image, machine.walk(stack))


def delta_between(machine: Machine, old: Image, new: Image) -> Stack:
    """A stack of two layers, made of Git alone: a base of `old`, a delta to `new`."""
    layers = LayerStore(machine.work / f"layers-{os.urandom(4).hex()}")
    layers.path.mkdir()
    materialiser = Materialiser(machine.repository, Listener())
    materialiser.layers = layers
    materialiser.stack(old)
    stack = materialiser.stack(new)
    assert len(stack.layers) == (1 if old.filesystem == new.filesystem else 2)
    return stack


def test_what_is_said_to_be_near_is_tried_first(machine: Machine) -> None:
    images = [machine.image]
    images += [machine.session(partial(_put, b"n", b"%d" % at))[0] for at in range(3)]
    shutil.rmtree(machine.repository.layers_dir)
    depths = [len(machine.materialiser.stack(image).layers) for image in images[:3]]
    near = machine.materialiser.stack(images[3], [images[0].filesystem])
    assert (depths, len(near.layers)) == ([1, 2, 3], 2)
    same(images[3], machine.walk(near))


@pytest.mark.scale
def test_a_long_history_stays_shallow(machine: Machine) -> None:
    deepest = 0
    for number in range(3 * MAX_DEPTH):
        by_upper, by_walk = machine.session(partial(_put, b"n", b"%d" % number))
        same(by_upper, by_walk)
        deepest = max(deepest, len(machine.stack().layers))
    assert deepest == MAX_DEPTH
    same(machine.image, machine.walk(machine.stack()))


def _put(path: bytes, content: bytes) -> None:
    with open(path, "wb") as file:
        file.write(content)


@pytest.mark.slow
@pytest.mark.scale
def test_a_thousand_commits(machine: Machine) -> None:
    """Each made on the one before; any of them mounts with its contents right, layers or not."""
    repository, images = machine.repository, [machine.image]
    parent = None
    for number in range(1000):
        image = machine.step(partial(_number, number))
        images.append(image)
        parent = _record(repository, image, parent)
        if repository.objects.pack_count() > 50:
            repository.objects.consolidate()
    for number in (1, 2, 20, 21, 22, 500, 999, 1000):
        same(images[number], machine.walk(machine.materialiser.stack(images[number])))
    shutil.rmtree(repository.layers_dir)
    for number in (1000, 500):
        stack = machine.materialiser.stack(images[number])
        assert len(stack.layers) <= 2
        same(images[number], machine.walk(stack))


def _number(number: int) -> None:
    _put(b"count", b"%d" % number)
    _put(b"file-%d" % (number % 100), b"%d" % number)


def _record(repository: Repository, image: Image, parent: ObjectID | None) -> ObjectID:
    from tests.support.stores import WHO

    parents = () if parent is None else (parent,)
    commit = Commit(image.tree, parents, WHO.author, WHO.committer, "count\n")
    with repository.objects.writer() as writer:
        oid = writer.add(ObjectType.COMMIT, encode_commit(commit))
        with writer.finish():
            repository.refs.update(
                "refs/heads/count",
                oid,
                old=parent,
                message="count",
                who=WHO.committer,
            )
    return oid
