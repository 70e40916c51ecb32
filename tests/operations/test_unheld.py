"""What Git has of an image, EROFS shows, and no inode of an ext4 can hold: large attributes, times.

The image runs all the same, whichever layers are there, and nobody is told that it has changed.
"""

from __future__ import annotations

import os
import tarfile
from typing import TYPE_CHECKING

import pytest

from lxgit.beneath import remove_tree
from lxgit.operations.fsck import fsck
from lxgit.operations.worktree import status
from lxgit.repository import create_repository
from lxgit.runtime.layers import DIRECTORY, EROFS
from lxgit.runtime.materialise import Materialiser
from tests.operations.conftest import Lab
from tests.support import disks, forms
from tests.support.mounts import shown
from tests.support.stores import Listener, find_image

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.root, pytest.mark.overlay, pytest.mark.erofs, pytest.mark.lxc]

SECOND = 1_000_000_000
TIMES = {"file": -2_208_988_800, "late": 253_402_300_800, "link": -2_208_988_800, "dir": 2**40}
"""1900, the year 10000, and one that nobody sees."""
BIG = "x" * 10_000


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
    words = "4 files have another time in containers than in the image:"
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
    words = "1 files have another time in containers than in the image:"
    assert [line.startswith(words) for line in materialise(lab, "early").warnings] == [True]
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
