"""What the benchmarks are fed with."""

from __future__ import annotations

import io
import os
import stat
import tarfile
from typing import TYPE_CHECKING

import pytest

from benchmarks.branch import BRANCH, RARE, grow, touched
from benchmarks.harness import Failed
from benchmarks.history import STEPS, write_step
from benchmarks.inputs import write_random
from benchmarks.store import Store
from benchmarks.workbench import IMAGE

if TYPE_CHECKING:
    from pathlib import Path


def test_random_bytes_are_the_same_each_time(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_random(tmp_path / name, (1 << 20) + 5)
    assert (tmp_path / "a").stat().st_size == (1 << 20) + 5
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


META = b"5 - .\n1 - a\n2 m=640,u=7 b.c\n3 - d b.c\n"


def test_touched() -> None:
    assert touched(META, "b.c", 9) == b"5 - .\n1 - a\n9 m=640,u=7 b.c\n3 - d b.c\n"
    with pytest.raises(Failed, match="no entry bxc"):
        touched(META, "bxc", 9)


def test_there_are_twenty_steps() -> None:
    assert len(STEPS) == 20


@pytest.mark.root
def test_a_step_says_what_goes_and_holds_what_is_new(scratch: Path) -> None:
    tree, upper = scratch / "tree", scratch / "upper"
    for name in ("tree/emptied", "tree/becomes-file", "tree/same", "upper/emptied", "upper/same"):
        (scratch / name).mkdir(parents=True)
    (tree / "file").touch()
    os.mknod(upper / "gone\n", 0o600 | stat.S_IFCHR, os.makedev(0, 0))
    os.setxattr(upper / "emptied", "trusted.overlay.opaque", b"y")
    (upper / "becomes-file").write_text("now")
    (upper / "file").write_text("other")
    (upper / "same/new").write_text("new")
    os.link(upper / "same/new", upper / "same/linked")
    write_step(upper, tree, scratch / "step")
    content = (scratch / "step").read_bytes()
    names, archive = content[10 : 10 + int(content[:10])], content[10 + int(content[:10]) :]
    assert names == b"becomes-file\0emptied\0gone\n\0"
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        members = {member.name: member for member in tar}
    assert list(members) == ["becomes-file", "emptied", "file", "same", "same/linked", "same/new"]
    assert members["same/new"].islnk()
    assert members["emptied"].pax_headers.keys() & {"SCHILY.xattr.trusted.overlay.opaque"} == set()


def test_a_long_branch_is_a_history_of_images(busybox_tar: Path, scratch: Path) -> None:
    store = Store(scratch / "store")
    store.program.run("import", str(busybox_tar), IMAGE)
    grow(scratch / "store/git", IMAGE, 120)
    log = store.program.run("log", "--oneline", BRANCH).splitlines()
    assert len(log) == 121
    assert len(store.program.run("log", "--oneline", BRANCH, "--", RARE).splitlines()) == 2
    store.program.run("fsck")
