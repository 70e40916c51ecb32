"""What Git has of an image, EROFS shows, and no inode of an ext4 can hold: large attributes, times.

The image runs all the same, whichever layers are there, and nobody is told that it has changed.
"""

from __future__ import annotations

import os
import tarfile
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from lxgit.beneath import remove_tree
from lxgit.errors import LxgitError
from lxgit.operations import moving, stashing
from lxgit.operations.changed import status
from lxgit.operations.copying import Place, copy, copy_in, copy_out
from lxgit.operations.creating import RunRequest
from lxgit.operations.fsck import fsck
from lxgit.operations.launching import created, run
from lxgit.operations.undo import undo
from lxgit.operations.values import Streams
from lxgit.operations.volumes import Mount, StorageRequest
from lxgit.repository import create_repository, open_repository
from lxgit.runtime.layers import DIRECTORY, EROFS
from lxgit.runtime.materialise import Materialiser
from lxgit.runtime.mounts import VOLUME
from tests.operations.conftest import Lab
from tests.support import disks, forms
from tests.support.mounts import shown
from tests.support.stores import WHO, Listener, find_image

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = [pytest.mark.root, pytest.mark.overlay, pytest.mark.erofs, pytest.mark.lxc]

SECOND = 1_000_000_000
TIMES = {"file": -2_208_988_800, "late": 253_402_300_800, "link": -2_208_988_800, "dir": 2**40}
"""1900, the year 10000, and one that nobody sees."""
BIG = "x" * 10_000
CUT_OFF = "1 files have another time in containers than in the image:"


def member(name: str) -> tarfile.TarInfo:
    found = tarfile.TarInfo(name)
    found.mtime = TIMES[name]
    found.type = {"link": tarfile.SYMTYPE, "dir": tarfile.DIRTYPE}.get(name, tarfile.REGTYPE)
    found.linkname = "file" if name == "link" else ""
    found.mode = 0o755
    return found


@pytest.fixture
def lab(scratch: Path, busybox_rootfs: Path) -> Iterator[Lab]:
    """A store on an ext4: `base` is busybox, `times` and `big` are that and what ext4 lacks."""
    disk = disks.make(disks.EXT4, scratch / "disk")
    with disks.mounted(disks.EXT4, disk, scratch / "ext4") as place:
        made = Lab(create_repository(place / "store"))
        made.take(busybox_rootfs, "base")
        for name in ("times", "big"):
            with tarfile.open(scratch / f"{name}.tar", "w", format=tarfile.PAX_FORMAT) as archive:
                archive.add(busybox_rootfs, ".")
                if name == "times":
                    for one in TIMES:
                        archive.addfile(member(one))
                else:
                    marked = member("dir")
                    marked.mtime = 0
                    marked.pax_headers = {"SCHILY.xattr.user.big": BIG}
                    archive.addfile(marked)
            made.take(scratch / f"{name}.tar", name)
        yield made
        made.repository.objects.close()


def problems(lab: Lab) -> list[str]:
    return [problem.message for problem in fsck(lab.repository, progress=Listener())]


def materialise(lab: Lab, *names: str) -> Listener:
    """Anew, one after the other."""
    remove_tree(lab.repository.layers_dir)
    listener = Listener()
    for name in names:
        Materialiser(lab.repository, listener).stack(find_image(lab.repository, name))
    return listener


def test_a_large_attribute_over_another_image(lab: Lab, scratch: Path) -> None:
    materialise(lab, "base", "big")
    stack = Materialiser(lab.repository, Listener()).stack(find_image(lab.repository, "big"))
    with shown(stack, scratch) as root:
        assert os.getxattr(root / "dir", b"user.big") == BIG.encode()
    assert problems(lab) == []
    assert lab.run("c", "true", "big") == (0, "")


def test_times_over_another_image(lab: Lab, scratch: Path) -> None:
    assert materialise(lab, "base", "times").warnings == []
    stack = Materialiser(lab.repository, Listener()).stack(find_image(lab.repository, "times"))
    with shown(stack, scratch) as root:
        found = {name: (root / name).lstat().st_mtime_ns for name in TIMES}
    assert found == {name: time * SECOND for name, time in TIMES.items()}
    assert problems(lab) == []


@pytest.mark.parametrize("form", [forms.FILE, DIRECTORY])
def test_times_that_were_cut_off(lab: Lab, form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a layer in the directory form, which tells of them, or as they were copied up."""
    forms.force(monkeypatch, form)
    told = materialise(lab, "base", "times").warnings
    words = CUT_OFF.replace("1", "4")
    assert [line.startswith(words) for line in told] == [True] * (form == DIRECTORY)
    before = find_image(lab.repository, "times")
    script = "chmod 700 /file; chown -h 7 /link; touch /dir/new; : >> /late"
    assert lab.run("c", script, "times") == (0, "")
    (changed,) = status(lab.repository, "c").containers
    assert {sized.change.path for sized in changed.changes} == {b"dir/new", b"file", b"link"}
    lab.commit("c", "next")
    after = find_image(lab.repository, "next")
    for name in (b"file", b"late", b"link"):
        old, new = before.entry(name), after.entry(name)
        assert old is not None
        assert new is not None
        assert new.metadata.mtime == old.metadata.mtime
    assert problems(lab) == []


def test_a_tree_that_erofs_cannot_hold_either(lab: Lab, scratch: Path) -> None:
    """A base layer for each image would have the same times: there are deltas, and a word."""
    for name, tree in (("one", "unfit"), ("two", "unfit"), ("three", "fit")):
        with tarfile.open(scratch / f"{name}.tar", "w", format=tarfile.PAX_FORMAT) as archive:
            if tree == "unfit":
                early = tarfile.TarInfo("early")
                early.mtime = -0.5
                archive.addfile(early)
            else:
                marked = tarfile.TarInfo("big")
                marked.pax_headers = {"SCHILY.xattr.user.big": BIG}
                archive.addfile(marked)
            archive.addfile(member("dir"))
            archive.addfile(tarfile.TarInfo(f"dir/{name}"))
        lab.take(scratch / f"{name}.tar", name)
    assert len(materialise(lab, "one", "two").warnings) == 2
    depths = {}
    for name in ("one", "two", "three"):
        found = Materialiser(lab.repository, Listener()).stack(find_image(lab.repository, name))
        depths[name] = [layer.form for layer in found.layers]
    assert depths == {"one": [DIRECTORY], "two": [DIRECTORY, DIRECTORY], "three": [EROFS]}
    assert problems(lab) == []


def test_a_fraction_in_the_first_second(lab: Lab, scratch: Path) -> None:
    """There ext4 has none."""
    with tarfile.open(scratch / "early.tar", "w", format=tarfile.PAX_FORMAT) as archive:
        early = tarfile.TarInfo("early")
        early.mtime = -(2**31) + 0.5
        archive.addfile(early)
    lab.take(scratch / "early.tar", "early")
    assert [line.startswith(CUT_OFF) for line in materialise(lab, "early").warnings] == [True]
    assert problems(lab) == []


def test_a_time_that_somebody_has_set(lab: Lab) -> None:
    """Another file system would end there, but this one holds the time that the image has."""
    set_to = {}
    for number, (branch, seconds) in enumerate((("late", 4_102_444_800), ("end", 2**31 - 1))):
        image = "late" if number else "base"
        assert lab.run(f"c{number}", f"touch -d @{seconds} /etc/motd", image) == (0, "")
        (changed,) = status(lab.repository, f"c{number}").containers
        assert [sized.change.path for sized in changed.changes] == [b"etc/motd"]
        lab.commit(f"c{number}", branch)
        entry = find_image(lab.repository, branch).entry(b"etc/motd")
        assert entry is not None
        set_to[branch] = entry.metadata.mtime
    assert set_to == {"late": 4_102_444_800 * SECOND, "end": (2**31 - 1) * SECOND}


def put_away(lab: Lab) -> None:
    stashing.push(lab.repository, "c", None, identity=WHO, progress=lab.listener)


def pop(lab: Lab) -> None:
    put_away(lab)
    assert lab.listener.warnings == []
    stashing.pop(lab.repository, "c", identity=WHO, progress=lab.listener)


def back(lab: Lab) -> None:
    put_away(lab)
    assert lab.listener.warnings == []
    again = open_repository(lab.repository.path)  # operations are parted by process
    undo(again, identity=WHO, progress=lab.listener)
    again.objects.close()


def move(lab: Lab) -> None:
    lab.run("other", "touch /new", "times")
    lab.commit("other", "next")
    assert lab.listener.warnings == []
    moving.checkout_container(
        lab.repository, "next", "c", merge=True, identity=WHO, progress=lab.listener
    )


def take(lab: Lab) -> None:
    lab.run("d", "true")
    moving.restore(lab.repository, "d", [b"/late"], "times", identity=WHO, progress=lab.listener)


@pytest.mark.parametrize("command", [pop, back, move, take])
def test_times_that_an_upper_directory_has_not(lab: Lab, command: Callable[[Lab], None]) -> None:
    """Who writes one tells of them; a commit has them all the same, if its parent does."""
    assert lab.run("c", "chmod 700 /late", "times") == (0, "")
    command(lab)
    assert [line.startswith(CUT_OFF) for line in lab.listener.warnings] == [True]
    assert lab.container("d" if command is take else "c").upper.exists()
    if command is not take:
        lab.commit("c", "kept")
        entry = find_image(lab.repository, "kept").entry(b"late")
        assert entry is not None
        assert (entry.metadata.mode, entry.metadata.mtime) == (0o700, TIMES["late"] * SECOND)


def first_use(lab: Lab, *, is_start: bool) -> None:
    if is_start:
        lab.start("c")
        return
    with open(os.devnull, "wb") as output:
        copy_out(lab.repository, Place("c", b"/dir"), output, progress=lab.listener)


@pytest.mark.parametrize("is_start", [True, False])
def test_times_that_a_volume_has_not(lab: Lab, *, is_start: bool) -> None:
    """Who fills it tells of them: the first start, or a copy before that."""
    volume = StorageRequest((Mount(kind=VOLUME, target="/dir", source="v"),))
    request = RunRequest(image="times", command=("true",), name="c", storage=volume)
    with created(lab.repository, request, identity=WHO, progress=lab.listener):
        assert lab.listener.warnings == []
    first_use(lab, is_start=is_start)
    if is_start:
        lab.start("c")
    assert [line.startswith(CUT_OFF) for line in lab.listener.warnings] == [True]


@pytest.mark.parametrize("is_start", [True, False])
def test_times_that_a_volume_has_not_before_one_that_cannot_be_filled(
    lab: Lab, *, is_start: bool
) -> None:
    mounts = [Mount(kind=VOLUME, target=f"/{name}", source=name) for name in ("dir", "etc")]
    storage = StorageRequest(tuple(mounts))
    request = RunRequest(image="times", command=("true",), name="c", storage=storage)
    with created(lab.repository, request, identity=WHO, progress=lab.listener):
        (lab.repository.volumes_dir / "etc/filling").touch()
    with pytest.raises(LxgitError, match="filling: not a directory"):
        first_use(lab, is_start=is_start)
    assert [line.startswith(CUT_OFF) for line in lab.listener.warnings] == [True]


@pytest.mark.parametrize(
    ("command", "more", "refused"),
    [
        ("nosuch", (), "not found"),
        ("true", (Mount(kind=VOLUME, target="/bin/busybox", source="w"),), "is no directory"),
    ],
)
def test_times_that_a_volume_has_not_of_a_container_that_cannot_start(
    lab: Lab, command: str, more: tuple[Mount, ...], refused: str
) -> None:
    """No later one fills the volume, so there is nobody else who would tell."""
    mounts = (Mount(kind=VOLUME, target="/dir", source="v"), *more)
    request = RunRequest(image="times", command=(command,), storage=StorageRequest(mounts))
    with pytest.raises(LxgitError, match=refused):
        run(lab.repository, request, Streams(None, 1, 2), identity=WHO, progress=lab.listener)
    assert [line.startswith(CUT_OFF) for line in lab.listener.warnings] == [True]


@pytest.mark.parametrize("parts", [("file", "late", "link", "dir"), ("file",), ()])
def test_times_that_a_copy_has_not(lab: Lab, scratch: Path, parts: tuple[str, ...]) -> None:
    with tarfile.open(scratch / "in.tar", "w", format=tarfile.PAX_FORMAT) as archive:
        archive.addfile(tarfile.TarInfo("of-1970"))
        for name in parts:
            archive.addfile(member(name))
    assert lab.run("c", "true") == (0, "")
    place = Place("c", b"/etc")
    with (scratch / "in.tar").open("rb") as file:
        copy_in(lab.repository, file, place, progress=lab.listener)
    words = f"{len(parts)} files have another time in the copy:"
    assert [line.startswith(words) for line in lab.listener.warnings] == [True] * bool(parts)


def test_times_that_a_copy_on_the_host_has_not(lab: Lab, scratch: Path) -> None:
    assert lab.run("c", "true", "times") == (0, "")
    with disks.mounted(disks.EXT4, disks.make(disks.EXT4, scratch / "other"), scratch / "o") as to:
        place = Place(None, os.fsencode(to))
        copy(lab.repository, Place("c", b"/late"), place, progress=lab.listener)
    words = "1 files have another time in the copy:"
    assert [line.startswith(words) for line in lab.listener.warnings] == [True]


PARTS = {
    ".": tarfile.DIRTYPE,
    "part": tarfile.REGTYPE,
    "parts": tarfile.DIRTYPE,
    "parts/pipe": tarfile.FIFOTYPE,
}
PART = 1_700_000_000_500_000_000


@pytest.fixture
def whole(scratch: Path, busybox_rootfs: Path) -> Iterator[Lab]:
    """A store on an ext4 with small inodes: `base` is busybox, `parts` has fractions too."""
    kind = replace(disks.EXT4, make=(*disks.EXT4.make, "-I", "128"))
    disk = disks.make(kind, scratch / "disk")
    with disks.mounted(kind, disk, scratch / "ext4") as place:
        made = Lab(create_repository(place / "store"))
        for image in ("base", "parts"):
            with tarfile.open(scratch / image, "w", format=tarfile.PAX_FORMAT) as archive:
                archive.add(busybox_rootfs, ".", filter=_of_whole_seconds)
                for name, form in PARTS.items() if image == "parts" else ():
                    one = tarfile.TarInfo(name)
                    one.type, one.mode = form, 0o755
                    one.pax_headers = {"mtime": "1700000000.5"}
                    archive.addfile(one)
            made.take(scratch / image, image)
        yield made
        made.repository.objects.close()


def _of_whole_seconds(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.mtime = int(member.mtime)
    return member


def test_fractions_over_another_image(whole: Lab, scratch: Path) -> None:
    assert materialise(whole, "base", "parts").warnings == []
    stack = Materialiser(whole.repository, Listener()).stack(find_image(whole.repository, "parts"))
    with shown(stack, scratch) as root:
        assert {(root / name).stat().st_mtime_ns for name in PARTS} == {PART}
    assert problems(whole) == []


@pytest.mark.parametrize("form", [forms.FILE, DIRECTORY])
def test_fractions_that_were_cut_off(
    whole: Lab, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    forms.force(monkeypatch, form)
    told = materialise(whole, "base", "parts").warnings
    words = "4 files have another time in containers than in the image:"
    assert [line.startswith(words) for line in told] == [True] * (form == DIRECTORY)
    assert problems(whole) == []
    before = find_image(whole.repository, "parts")
    script = "chmod 700 /part; chmod 600 /parts/pipe; touch /etc/new; touch -d @1700000000 /parts"
    assert whole.run("c", script, "parts") == (0, "")
    (changed,) = status(whole.repository, "c").containers
    assert {sized.change.path for sized in changed.changes} == {b"etc/new", b"part", b"parts/pipe"}
    whole.commit("c", "next")
    after = find_image(whole.repository, "next")
    assert after.root().metadata == before.root().metadata
    for name in ("part", "parts", "parts/pipe"):
        entry = after.entry(name.encode())
        assert entry is not None
        assert entry.metadata.mtime == PART
    assert problems(whole) == []
    assert whole.run("d", "touch -d @1600000000 /part", "next") == (0, "")
    whole.commit("d", "earlier")
    entry = find_image(whole.repository, "earlier").entry(b"part")
    assert entry is not None
    assert entry.metadata.mtime == 1_600_000_000 * SECOND
    assert problems(whole) == []
