"""The EROFS form: what it holds exactly, what it refuses, how it is mounted, how it goes."""

from __future__ import annotations

import errno
import os
import subprocess
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import pytest

from lxgit.objects.metadata import Kind, Metadata
from lxgit.objects.scan import read_tree
from lxgit.runtime import baselayer, erofs_layer, erofs_mount, kernel
from lxgit.runtime.baselayer import write_base
from lxgit.runtime.bases import INDEX, TAR
from lxgit.runtime.erofs_layer import ErofsWriter, UnfitTree
from lxgit.runtime.idmap import IdMap
from lxgit.runtime.layers import DIRECTORY, EROFS, LayerStore
from lxgit.runtime.overlay import Lower
from tests.support import awkward, forms
from tests.support.compare import assert_same_tree
from tests.support.mounts import mounted, unmount
from tests.support.stores import Listener

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from lxgit.objects.sink import TreeSink

pytestmark = [pytest.mark.root, pytest.mark.overlay, pytest.mark.erofs]

IDENTITY = IdMap.identity()
PLAIN = Metadata(0o644, 0, 0, 0)
ROOT = Metadata(0o755, 0, 0, 0)


@pytest.fixture(scope="module")
def source(module_directory: Path) -> Path:
    """The awkward tree without what EROFS cannot hold."""
    root = module_directory / "awkward"
    awkward.build(root, linked_nodes=True, for_erofs=True)
    return root


@pytest.fixture
def written(source: Path, scratch: Path) -> Path:
    """The layer of the awkward tree."""
    return write(scratch / "written", filling(source))


def filling(source: Path) -> Callable[[TreeSink], None]:
    def fill(sink: TreeSink) -> None:
        fd = os.open(source, os.O_RDONLY)
        try:
            read_tree(fd, Listener())[0].replay(sink)
        finally:
            os.close(fd)

    return fill


def write(directory: Path, fill: Callable[[TreeSink], None]) -> Path:
    directory.mkdir()
    with ErofsWriter(directory) as sink:
        fill(sink)
    assert sorted(os.listdir(directory)) == [INDEX, TAR]
    return directory


def one(path: bytes, metadata: Metadata) -> Callable[[TreeSink], None]:
    def fill(sink: TreeSink) -> None:
        sink.directory(b"", ROOT)
        sink.file(path, metadata, 1, (b"x",))

    return fill


@pytest.mark.scale
@pytest.mark.parametrize("way", [forms.FILE, forms.LOOP])
def test_a_mount_shows_the_source(
    source: Path, written: Path, scratch: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    """Under overlayfs, which takes escaped attributes back to what they were."""
    forms.force(monkeypatch, way)
    place = scratch / "mounted"
    place.mkdir()
    with mounted([Lower(written, IDENTITY, (INDEX, TAR))]) as fd:
        kernel.move_mount(fd, place)
        try:
            assert_same_tree(source, place)
        finally:
            kernel.umount(place, kernel.MNT_DETACH)


def test_the_same_tree_gives_the_same_files(source: Path, written: Path, scratch: Path) -> None:
    again = write(scratch / "again", filling(source))
    subprocess.run(["cmp", written / TAR, again / TAR], check=True)
    erofs_layer.make_index(again / TAR, again / INDEX, uuid=erofs_layer.index_uuid(written / INDEX))
    subprocess.run(["cmp", written / INDEX, again / INDEX], check=True)


def test_a_file_that_was_copied_up_is_none_of_another_image(scratch: Path) -> None:
    """Its inode number in the image that it came from is that of another file there."""

    def files(*names: bytes) -> Callable[[TreeSink], None]:
        def fill(sink: TreeSink) -> None:
            sink.directory(b"", ROOT)
            for name in names:
                sink.file(name, PLAIN, 1, (b"x",))

        return fill

    for name in ("upper", "work"):
        (scratch / name).mkdir()
    first = write(scratch / "first", files(*[b"b%d" % number for number in range(9)], b"motd"))
    with _changeable(first, scratch) as root:
        origin = (first / "mounted/motd").stat().st_ino
        (root / "motd").write_text("changed")
    second = write(scratch / "second", files(*[b"a%d" % number for number in range(99)], b"motd"))
    with _changeable(second, scratch) as root:
        numbers = {path.stat().st_ino: path.name for path in (second / "mounted").iterdir()}
        assert numbers[origin] != "motd"
        assert (root / numbers[origin]).read_text() == "x"
        assert (root / "motd").read_text() == "changed"


@contextmanager
def _changeable(layer: Path, scratch: Path) -> Iterator[Path]:
    """A layer under overlayfs as containers have it, with `upper` and `work` of a directory."""
    below, place = layer / "mounted", layer / "root"
    below.mkdir()
    place.mkdir()
    options = f"lowerdir={below},upperdir={scratch}/upper,workdir={scratch}/work,index=off,xino=on"
    with ExitStack() as stack:
        mount = erofs_mount.mount_image(layer, (INDEX, TAR))
        kernel.move_mount(mount, below)
        os.close(mount)
        stack.callback(unmount, below)
        subprocess.run(["mount", "-t", "overlay", "-o", options, "overlay", place], check=True)
        stack.callback(unmount, place)
        yield place


def test_zeros_take_no_space(scratch: Path) -> None:
    def fill(sink: TreeSink) -> None:
        sink.directory(b"", ROOT)
        chunks = [b"a" * 70_000, *[bytes(1 << 20)] * 63, bytes(978_576)]
        sink.file(b"sparse", PLAIN, 64 << 20, chunks)

    status = (write(scratch / "layer", fill) / TAR).stat()
    assert status.st_size > 64 << 20
    assert status.st_blocks * 512 < 1 << 20


@pytest.mark.parametrize(
    "metadata",
    [
        Metadata(0o644, 0, 0, -1),
        Metadata(0o644, 0, 0, 0, ((b"user.a=b", b"c"),)),
        Metadata(0o644, 0, 0, 0, ((b"user.100%", b"c"),)),
        Metadata(0o644, 0, 0, 0, ((b"user.large", bytes(31_000)),)),
    ],
    ids=["time", "equals", "percent", "large"],
)
def test_what_erofs_cannot_hold(metadata: Metadata, scratch: Path) -> None:
    with pytest.raises(UnfitTree):
        write(scratch / "layer", one(b"file", metadata))


def test_many_entries_and_many_names(scratch: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(erofs_layer, "MAX_ENTRIES", 10)
    monkeypatch.setattr(erofs_layer, "MAX_LINKS", 5)

    def entries(sink: TreeSink) -> None:
        sink.directory(b"", ROOT)
        for number in range(11):
            sink.file(b"%d" % number, PLAIN, 0, ())

    def names(sink: TreeSink) -> None:
        one(b"file", PLAIN)(sink)
        for number in range(5):
            sink.link(b"%d" % number, b"file")

    for number, fill in enumerate((entries, names)):
        with pytest.raises(UnfitTree, match="more than"):
            write(scratch / f"layer{number}", fill)


def test_the_largest_attributes_and_the_longest_path_are_read_back(scratch: Path) -> None:
    large = ((b"user.large", b"v" * (erofs_layer.MAX_XATTRS - len(b"user.large"))),)
    path = b"/".join([b"d" * 199] * 20)

    def fill(sink: TreeSink) -> None:
        one(b"file", Metadata(0o600, 0, 0, 5, large))(sink)
        for depth in range(1, 20):
            sink.directory(b"/".join([b"d" * 199] * depth), ROOT)
        sink.file(path, PLAIN, 3, (b"far",))

    layer = write(scratch / "layer", fill)
    with mounted([Lower(layer, IDENTITY, (INDEX, TAR))]) as fd:
        root = b"/proc/self/fd/%d/" % fd
        assert os.getxattr(root + b"file", b"user.large") == large[0][1]
        with open(os.open(path, os.O_RDONLY, dir_fd=fd), "rb") as file:
            assert file.read() == b"far"


def test_a_whiteout_device_is_left_out(scratch: Path) -> None:
    sinks = []

    def fill(sink: TreeSink) -> None:
        one(b"file", PLAIN)(sink)
        sink.special(b"gone", Kind.CHARACTER, PLAIN, (0, 0))
        sink.link(b"gone-too", b"gone")
        sinks.append(sink)

    layer = write(scratch / "layer", fill)
    assert sinks[0].hidden == [b"gone", b"gone-too"]  # type: ignore[attr-defined]
    with mounted([Lower(layer, IDENTITY, (INDEX, TAR))]) as fd:
        assert os.listdir(f"/proc/self/fd/{fd}/") == ["file"]


def form_now(layers: LayerStore) -> str:
    return baselayer.base_form(layers.path.parent, layers.path.parent)


def why_not(layers: LayerStore) -> str:
    return baselayer.why_directories(layers.path.parent, layers.path.parent)


class TestForms:
    """Which form a base layer gets."""

    @pytest.fixture
    def layers(self, store_dir: Path) -> LayerStore:
        layers = LayerStore(store_dir / "layers")
        layers.path.mkdir(parents=True)
        return layers

    def form(self, layers: LayerStore, metadata: Metadata = PLAIN) -> str:
        with layers.building() as built:
            written = write_base(layers, built, one(b"file", metadata))
            names = sorted(os.listdir(built))
        assert names == ([INDEX, TAR] if written.form == EROFS else ["fs"])
        assert written.entries == (2 if written.form == EROFS else 1)
        return written.form

    def test_the_tree_decides(self, layers: LayerStore) -> None:
        assert self.form(layers) == EROFS
        assert self.form(layers, Metadata(0o644, 0, 0, -1)) == DIRECTORY

    def test_that_it_works_is_kept_for_this_boot(
        self, layers: LayerStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert self.form(layers) == EROFS
        with monkeypatch.context() as patch:
            patch.setattr(erofs_layer, "_PROGRAMS", "/nowhere")
            assert form_now(layers) == EROFS
            (layers.path.parent / ".probed-layers").write_text("an earlier boot")
            assert form_now(layers) == DIRECTORY
        assert form_now(layers) == EROFS  # the program has been installed

    def test_no_program(self, layers: LayerStore, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(erofs_layer, "_PROGRAMS", "/nowhere")
        assert self.form(layers) == DIRECTORY
        assert why_not(layers) == "mkfs.erofs is not installed"

    def test_a_program_that_cannot(
        self, layers: LayerStore, scratch: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Such as the one of erofs-utils 1.7, which does not know --mkfs-time."""
        program = scratch / "mkfs.erofs"
        program.write_text("#!/bin/sh\necho 'unrecognized option' >&2; exit 1\n")
        program.chmod(0o755)
        monkeypatch.setattr(erofs_layer, "_PROGRAMS", f"{scratch}:/bin")
        assert self.form(layers) == DIRECTORY
        assert "unrecognized option" in why_not(layers)

    def test_no_mount(self, layers: LayerStore, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(files: Sequence[int]) -> int:
            raise OSError(errno.ENODEV, os.strerror(errno.ENODEV))

        monkeypatch.setattr(erofs_mount, "ways", lambda: (refuse, refuse))
        assert self.form(layers) == DIRECTORY
        assert "No such device" in why_not(layers)

    def test_a_store_in_memory(self, scratch: Path) -> None:
        """EROFS does not mount files of a tmpfs before Linux 6.17; loop devices do."""
        place = scratch / "ram"
        place.mkdir()
        kernel.mount("tmpfs", place, b"tmpfs")
        try:
            assert baselayer.base_form(place, place) == EROFS
        finally:
            unmount(place)
