"""gc compresses base layers that nothing uses, and no others."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

import pytest

from lxgit.fsutil import fsync_file
from lxgit.objects.ids import from_hex
from lxgit.operations import idle
from lxgit.operations.containers import remove_container
from lxgit.operations.creating import RunRequest
from lxgit.operations.fsck import fsck
from lxgit.operations.gc import gc
from lxgit.operations.launching import run_detached
from lxgit.operations.prune import prune
from lxgit.operations.running import kill
from lxgit.operations.values import Streams
from lxgit.runtime import erofs_layer
from lxgit.runtime.bases import IMAGE, INDEX, TAR
from lxgit.runtime.compressed_layer import write_image
from lxgit.runtime.layers import COMPRESSED, LayerStore
from tests.support import rootfs
from tests.support.stores import WHO, Listener

if TYPE_CHECKING:
    from pathlib import Path

    from lxgit.objects.newfile import NewFile
    from lxgit.operations.values import Collected
    from lxgit.runtime.layers import Layer
    from tests.operations.conftest import Lab

pytestmark = [pytest.mark.root, pytest.mark.overlay, pytest.mark.lxc, pytest.mark.erofs]


def base(lab: Lab) -> Layer:
    """The only base layer."""
    layers = LayerStore(lab.repository.layers_dir)
    (found,) = [one for one in map(layers.layer, layers.all_ids()) if not one.below]
    return found


def collect(lab: Lab) -> Collected:
    """What gc does, as its dry run foretells it."""
    foretold = gc(lab.repository, dry_run=True, progress=lab.listener)
    done = gc(lab.repository, progress=lab.listener)
    assert done.layers == foretold.layers
    assert done.gone_layers == foretold.gone_layers
    return done


_BLOCK = 4096  # bytes: a file may take one more once it is on the disk, to say where it is


def settle(top: Path) -> None:
    """Have the files below on the disk: what they take before is a guess of the file system's."""
    for directory, _, files in os.walk(top):
        for name in files:
            path = os.path.join(directory, name)
            if stat.S_ISREG(os.lstat(path).st_mode):
                fsync_file(path)


def disk(layer: Layer) -> int:
    settle(layer.path)
    return sum(path.stat().st_blocks * 512 for path in layer.path.iterdir())


def test_idle_layers(lab: Lab) -> None:
    lab.run("box", "echo changed > /etc/changed; rm /etc/hosts")
    before = base(lab)
    size = disk(before)
    foretold = gc(lab.repository, dry_run=True, progress=lab.listener)
    assert (foretold.layers, foretold.layers_size, foretold.layers_freed) == (1, size, 0)
    assert base(lab) == before
    done = gc(lab.repository, progress=lab.listener)
    assert base(lab).form == COMPRESSED
    assert (done.layers, done.layers_size) == (1, size)
    assert abs(done.layers_freed - (size - disk(base(lab)))) <= _BLOCK
    assert done.layers_freed > size / 4
    assert list(fsck(lab.repository, progress=lab.listener)) == []
    assert collect(lab).layers == 0


def test_it_is_used_as_before(lab: Lab) -> None:
    """Containers start on it, commits lie over it, and it stays as it is."""
    lab.run("box", "echo changed > /etc/changed")
    collect(lab)
    compressed = base(lab)
    assert lab.start("box")[0] == 0
    lab.commit("box", "changed")
    assert lab.run("next", "cat /etc/changed", "changed")[1] == "changed\n"
    assert collect(lab).layers == 0
    assert base(lab) == compressed
    assert list(fsck(lab.repository, progress=lab.listener)) == []


def sleep(lab: Lab, name: str) -> None:
    """A container that runs until it is killed."""
    request = RunRequest(image="base", command=("sleep", "1000"), name=name)
    null = os.open(os.devnull, os.O_RDWR)
    try:
        streams = Streams(null, null, null)
        with run_detached(lab.repository, request, streams, identity=WHO, progress=lab.listener):
            pass
    finally:
        os.close(null)


def test_what_runs_is_left_alone(lab: Lab) -> None:
    sleep(lab, "one")
    before = base(lab)
    assert collect(lab).layers == 0
    assert base(lab) == before
    kill(lab.repository, "one", 9)
    assert collect(lab).layers == 1


def test_what_is_used_meanwhile_is_left_alone(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """The container does not wait for gc."""

    def slow(tar: Path, image: NewFile) -> str:
        sleep(lab, "one")
        return write_image(tar, image)

    monkeypatch.setattr(idle, "write_image", slow)
    before = base(lab)
    assert gc(lab.repository, progress=lab.listener).layers == 0
    assert base(lab) == before
    assert sorted(os.listdir(before.path)) == [INDEX, "layer.json", TAR]
    kill(lab.repository, "one", 9)


class Pruner(Listener):
    """Prunes as soon as gc has seen what is idle."""

    def __init__(self, lab: Lab) -> None:
        super().__init__()
        self._lab = lab

    def phase(self, label: str, total: int | None = None) -> None:
        if label == "Compressing idle layers":
            assert prune(self._lab.repository, progress=self._lab.listener).layers == total == 1


def test_what_is_pruned_meanwhile(lab: Lab) -> None:
    assert gc(lab.repository, progress=Pruner(lab)).layers == 0
    assert LayerStore(lab.repository.layers_dir).all_ids() == []


def test_where_it_does_not_work(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """The layer stays, gc does the rest of its work."""
    before = base(lab)
    monkeypatch.setattr(erofs_layer, "_PROGRAMS", "/nowhere")
    assert gc(lab.repository, progress=lab.listener).layers == 0
    assert lab.listener.warnings == [
        f"layer {before.id} is not compressed: mkfs.erofs is not installed"
    ]
    assert base(lab) == before


def test_what_a_kill_left_goes(lab: Lab) -> None:
    """The next gc deletes what is not of a layer's form."""
    (base(lab).path / IMAGE).write_bytes(b"unfinished")
    tar = (base(lab).path / TAR).read_bytes()
    assert collect(lab).layers == 1
    (base(lab).path / TAR).write_bytes(tar)
    assert collect(lab).layers == 0
    assert sorted(os.listdir(base(lab).path)) == [IMAGE, "layer.json"]


def test_layers_of_images_that_are_gone(lab: Lab, busybox_tar: Path, scratch: Path) -> None:
    """They go with the image, but for those that others lie on, or that are in use."""
    layers = LayerStore(lab.repository.layers_dir)
    kept = base(lab)
    other = rootfs.extract_tar(busybox_tar, scratch / "other")
    (other / "etc/other").write_bytes(os.urandom(1 << 20))
    lab.take(other, "other")
    lab.run("box", "echo changed > /etc/changed", "other")
    lab.commit("box")
    remove_container(lab.repository, "box", force=False)
    count = len(layers.all_ids())
    tip = lab.tip("other")
    assert tip is not None
    ref = "refs/heads/other"
    lab.repository.refs.update(ref, None, old=from_hex(tip.encode()), message="", who=WHO.committer)
    settle(lab.repository.layers_dir)
    foretold = gc(lab.repository, now=True, dry_run=True, progress=lab.listener)
    assert len(layers.all_ids()) == count
    done = gc(lab.repository, now=True, progress=lab.listener)
    assert (done.gone_layers, done.gone_layers_size) == foretold[4:6]
    assert (done.gone_layers, foretold.layers, done.layers) == (count - 1, 1, 1)
    assert done.gone_layers_size > 1 << 20
    assert layers.all_ids() == [kept.id]
    assert len(layers.stack_names()) == 1
    assert list(fsck(lab.repository, progress=lab.listener)) == []
