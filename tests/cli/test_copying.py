"""`cp` both ways, and against containers that swap links in while it works."""

from __future__ import annotations

import gzip
import io
import os
import stat
import tarfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lxgit.errors import LxgitError
from lxgit.operations import copying
from lxgit.operations.copying import Place
from lxgit.operations.lookup import find_container
from lxgit.progress import NullProgress
from lxgit.repository import open_repository
from lxgit.runtime.rootmount import ROOT
from tests.cli.test_store import read_only
from tests.support.archives import END, extended, header, octal, padded, record
from tests.support.swapping import exchanging

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lxgit.repository import Repository
    from tests.support.program import Lxgit

pytestmark = [pytest.mark.root, pytest.mark.overlay, pytest.mark.lxc]

MTIME = 1_600_000_000
SETUP = """
mkdir -p /srv/tree/sub; cd /srv/tree; echo one >one; ln one sub/two; ln -s one link
ln -s /etc/passwd abs; mkfifo fifo; chown 12:34 one; chmod 4755 one; chown 5:6 sub; chmod 2770 sub
mkdir -p /srv/real; echo far >/srv/real/far; ln -s real /srv/dirlink
touch -h -d @1600000000 one link
ln -s ../../../../../../etc /srv/up; ln -s /srv/loop /srv/loop; echo m >/mnt/m
"""


@pytest.fixture(params=["stopped", "running"])
def box(based: Lxgit, request: pytest.FixtureRequest) -> Iterator[Lxgit]:
    """A container `box`, running or not, with a tree in /srv and a volume on /mnt."""
    hold = "sleep 600" if request.param == "running" else "true"
    script = f"{SETUP}\ntouch /ready; exec {hold}"
    based("run", "-d", "--name", "box", "-v", "vol:/mnt", "base", "sh", "-c", script)
    if request.param == "stopped":
        based("wait", "box")
    else:
        wait_for(lambda: based("exec", "box", "test", "-e", "/ready", code=None).code == 0)
    yield based
    based("rm", "-f", "box", code=None)


def wait_for(true: object, seconds: float = 60) -> None:
    assert callable(true)
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_a_tree_comes_out_and_goes_in_again(box: Lxgit, scratch: Path) -> None:
    out = scratch / "out"
    box("cp", "box:/srv/tree", out)
    assert sorted(os.listdir(out)) == ["abs", "fifo", "link", "one", "sub"]
    one = (out / "one").stat()
    assert (one.st_uid, one.st_gid, one.st_mode & 0o7777) == (0, 0, 0o755)
    assert one.st_mtime == MTIME
    assert one.st_ino == (out / "sub/two").stat().st_ino
    assert (out / "sub").stat().st_mode & 0o7777 == 0o770
    assert (out / "link").readlink() == Path("one")
    assert (out / "link").lstat().st_mtime == MTIME
    assert (out / "abs").readlink() == Path("/etc/passwd")
    assert stat.S_ISFIFO((out / "fifo").lstat().st_mode)

    box("cp", "-a", "box:/srv/tree", scratch / "exact")
    exact = (scratch / "exact/one").stat()
    assert (exact.st_uid, exact.st_gid, exact.st_mode & 0o7777) == (12, 34, 0o4755)

    box("cp", "-a", scratch / "exact", "box:/opt")
    box("cp", out, "box:/opt/mine")
    box("cp", f"{out}/.", "box:/mnt")
    tar = members(box, "box:/opt")
    assert {name: tar[name].uid for name in ("opt/one", "opt/sub")} == {"opt/one": 12, "opt/sub": 5}
    assert (tar["opt/one"].mode, tar["opt/sub"].mode) == (0o4755, 0o2770)
    assert tar["opt/mine/one"].uid == tar["opt/mine/sub"].gid == 0
    assert tar["opt/sub/two"].islnk()
    names = sorted(members(box, "box:/mnt/."))
    assert names == [".", "abs", "fifo", "link", "m", "one", "sub", "sub/two"]
    assert (box.store / "volumes/vol/data/one").stat().st_uid == 0


def members(lxgit: Lxgit, place: str) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(lxgit("cp", place, "-").stdout)) as archive:
        return {os.path.normpath(member.name): member for member in archive}


def test_where_things_land(box: Lxgit, scratch: Path) -> None:
    """Docker's table: docs.docker.com, "docker container cp"."""
    (scratch / "file").write_text("new\n")
    (scratch / "tree/sub").mkdir(parents=True)
    (scratch / "tree/sub/x").write_text("x\n")

    def there(path: str) -> bytes:
        data = box("cp", f"box:{path}", "-").stdout
        with tarfile.open(fileobj=io.BytesIO(data)) as archive:
            content = archive.extractfile(f"./{os.path.basename(path)}")
            assert content is not None
            return content.read()

    box("cp", scratch / "file", "box:/srv/given")
    assert there("/srv/given") == b"new\n"
    box("cp", scratch / "file", "box:srv/real")
    assert there("/srv/real/file") == b"new\n"
    box("cp", scratch / "file", "box:/srv/real/far")
    assert there("/srv/real/far") == b"new\n"
    box("cp", scratch / "file", "box:/srv/tree/link")
    assert there("/srv/tree/one") == b"new\n"
    box("cp", scratch / "tree", "box:/srv/dirlink")
    assert there("/srv/real/tree/sub/x") == b"x\n"
    box("cp", f"{scratch}/tree/.", "box:/srv/fresh")
    assert there("/srv/fresh/sub/x") == b"x\n"
    for source, target, words in (
        ("file", "/nowhere/file", "there is no directory for"),
        ("file", "/srv/nothing/", "is no directory"),
        ("tree", "/srv/given", "is there, and is no directory"),
        ("tree/sub/x/", "/srv", "there is no '"),
        ("absent", "/srv", "there is no '"),
    ):
        refused = box("cp", f"{scratch}/{source}", f"box:{target}", code=1)
        assert words in refused.err, (source, target)
    box("cp", scratch / "tree", "box:/srv/file-there")
    (scratch / "other").mkdir()
    (scratch / "other/sub").write_text("a file where a directory is\n")
    refused = box("cp", f"{scratch}/other/.", "box:/srv/file-there", code=1)
    assert "'sub' is there, and is a directory" in refused.err


def test_links_of_the_container_stay_inside(box: Lxgit, scratch: Path) -> None:
    box("cp", "box:/srv/up/passwd", scratch)
    assert (scratch / "passwd").read_text().startswith("root:x:0:0:root:/root:/bin/sh")
    box("cp", "-L", "box:/srv/tree/abs", scratch / "followed")
    assert (scratch / "followed").read_text() == (scratch / "passwd").read_text()
    (scratch / "sent").write_text("sent\n")
    box("cp", scratch / "sent", "box:/srv/up/sent")
    assert not Path("/etc/sent").exists()
    assert "etc/sent" in members(box, "box:/etc")
    for place in ("box:/srv/loop", "box:/srv/loop/x"):
        assert box("cp", "-L", place, scratch, code=1).err.startswith("lxgit: ")


def test_archives_in_and_out(box: Lxgit, scratch: Path) -> None:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as archive:
        for name, uid in (("etc/motd", 0), ("new/deep/file", 77)):
            member = tarfile.TarInfo(name)
            member.size, member.uid, member.mode = 3, uid, 0o4711
            archive.addfile(member, io.BytesIO(b"abc"))
    before = members(box, "box:/etc")["etc"]
    box("cp", "-", "box:/", stdin=made.getvalue())
    shown = members(box, "box:/.")
    assert (shown["new/deep/file"].uid, shown["new/deep/file"].mode) == (77, 0o4711)
    assert (shown["etc"].mode, shown["etc"].uid) == (before.mode, before.uid)
    assert shown["etc/motd"].size == 3
    assert "is no directory" in box("cp", "-", "box:/etc/motd", stdin=made.getvalue(), code=1).err
    assert "lxgit: " in box("cp", "-", "box:/srv", stdin=b"no tar" * 200, code=1).err
    evil = io.BytesIO()
    with tarfile.open(fileobj=evil, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("../../../../escape"))
    assert box("cp", "-", "box:/srv", stdin=evil.getvalue(), code=1).err.startswith("lxgit: ")


def holes(size: int) -> bytes:
    """An archive of one file that has a byte, and nothing else."""
    records = record(b"GNU.sparse.map", b"0,1") + record(b"GNU.sparse.size", b"%d" % size)
    return extended(records) + header(b"holes", size=octal(1)) + padded(b"x") + END


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "compressed"])
def test_an_archive_of_holes(based: Lxgit, packed: bool) -> None:
    """As `import` has it: what there is no room for is refused before anything is written."""
    based("create", "--name", "c", "base", "true")
    bomb = gzip.compress(holes(1 << 60)) if packed else holes(1 << 60)
    refused = based("cp", "-", "c:/srv", stdin=bomb, code=1, timeout=60)
    assert refused.err.startswith("lxgit: it unpacks to more than the file system has room for")
    assert based("status", "c").lines[1:] == ["  no changes"]
    based("cp", "-", "c:/srv", stdin=holes(1 << 20))


def test_an_archive_into_memory(based: Lxgit) -> None:
    """What counts is the file system that it goes to; one that has no end is not taken for full."""
    sizes = ("--tmpfs", "/little:size=1m", "--tmpfs", "/any:size=0")
    based("run", "-d", "--name", "c", *sizes, "base", "sleep", "600")
    try:
        refused = based("cp", "-", "c:/little", stdin=holes(2 << 20), code=1)
        assert "than the file system has room for (1,048,576 bytes)" in refused.err
        based("cp", "-", "c:/any", stdin=holes(2 << 20))
        refused = based("cp", "-", "c:/any", stdin=holes(1 << 60), code=1, timeout=60)
        assert "than the file system has room for" in refused.err
    finally:
        based("rm", "-f", "c")


def test_devices_and_sparse_files(box: Lxgit, scratch: Path) -> None:
    """A device goes into a container, where it does nothing, and never comes to the host."""
    (scratch / "tree").mkdir()
    os.mknod(scratch / "tree/zero", 0o20666, os.makedev(1, 5))
    with (scratch / "tree/holes").open("wb") as file:
        file.truncate(1 << 27)
    box("cp", scratch / "tree", "box:/srv/devices")
    box("cp", "box:/srv/devices", scratch / "back")
    assert os.listdir(scratch / "back") == ["holes"]
    holes = (scratch / "back/holes").stat()
    assert (holes.st_size, holes.st_blocks) == (1 << 27, 0)


def test_commands_that_make_no_sense(box: Lxgit, scratch: Path) -> None:
    for words in (("box:/a", "box:/b"), ("/a", "/b"), ("-", "/b"), ("/a", "-"), ("-", "-")):
        assert box("cp", *words, code=2).err.startswith("lxgit: one of the two is a path of a con")
    assert "no container" in box("cp", "bax:/etc", scratch, code=1).err
    (scratch / "home/a:b").write_text("colon\n")
    box("cp", "./a:b", "box:/srv/colon")
    box("cp", "box:/srv/colon", ".")
    assert (scratch / "home/colon").read_text() == "colon\n"


def test_completion(based: Lxgit) -> None:
    based("create", "--name", "web", "base", "true")
    assert based("__complete", "lxgit cp w").out == "web:\tcontainer\n"
    assert based("__complete", "lxgit cp web:/etc/mo").out == "web:/etc/motd\tfile\n"
    for line in ("lxgit cp ", "lxgit cp ./x", "lxgit cp web:/etc/motd "):
        assert based("__complete", line).out == ":files\n"


def test_what_comes_in_is_a_change_like_others(based: Lxgit, scratch: Path) -> None:
    based("create", "--name", "c", "base", "true")
    (scratch / "file").write_text("mine\n")
    based("cp", scratch / "file", "c:/etc/file")
    assert based("status", "c").lines[1] == "  A  /etc/file  (5 B)"
    based("commit", "-m", "File", "c")
    assert based("show", "base:/etc/file").out == "mine\n"


def test_into_one_that_was_committed_while_it_ran(based: Lxgit, scratch: Path) -> None:
    based("run", "-d", "--name", "c", "base", "sh", "-c", "echo x >/etc/one; sleep 600")
    wait_for(lambda: based("exec", "c", "test", "-s", "/etc/one", code=None).code == 0)
    based("commit", "-m", "One", "c")
    based("kill", "c")
    based("wait", "c")
    (scratch / "two").write_text("two\n")
    based("cp", scratch / "two", "c:/etc")
    assert based("status", "c").lines[1] == "  A  /etc/two  (4 B)"
    based("commit", "-m", "Two", "c")
    based("cp", scratch / "two", "c:/etc/three")
    assert based("status", "c").lines[1] == "  A  /etc/three  (4 B)"
    assert sorted(members(based, "c:/etc"))[-4:-1] == [
        "etc/profile",
        "etc/resolv.conf",
        "etc/three",
    ]


def test_into_memory_and_over_a_file_that_is_mounted(based: Lxgit, scratch: Path) -> None:
    (scratch / "file").write_text("192.0.2.7\tnew\n")
    based("run", "-d", "--name", "c", "--tmpfs", "/t", "base", "sleep", "600")
    try:
        based("cp", scratch / "file", "c:/t")
        based("cp", scratch / "file", "c:/etc/hosts")
        shown = based("exec", "c", "sh", "-c", "cat /t/file /etc/hosts; stat -c %u /t/file").lines
        assert shown == ["192.0.2.7\tnew"] * 2 + ["0"]
    finally:
        based("rm", "-f", "c")


def test_a_read_only_root_and_volume(based: Lxgit, scratch: Path) -> None:
    based("run", "--name", "c", "--read-only", "-v", "v:/mnt:ro", "base", "true")
    (scratch / "file").touch()
    for place in ("c:/etc", "c:/mnt"):
        refused = based("cp", scratch / "file", place, code=1)
        assert refused.err == f"lxgit: '{place}' can only be read\n"
    based("cp", "c:/etc/motd", scratch)


def test_out_of_a_store_that_is_mounted_read_only(based: Lxgit, scratch: Path) -> None:
    """A disk that fails is often all that is left."""
    based("run", "--name", "c", "-v", "v:/mnt", "base", "sh", "-c", "echo x >/f; rm /etc/motd")
    (scratch / "dir").mkdir()
    with read_only(based.store):
        based("cp", "c:/f", scratch / "dir")
        assert (scratch / "dir/f").read_text() == "x\n"
        based("cp", "c:/etc", scratch / "dir")
        assert not (scratch / "dir/etc/motd").exists()
        assert (scratch / "dir/etc/passwd").exists()
        refused = based("cp", scratch / "dir/f", "c:/g", code=1)
        assert refused.err == "lxgit: 'c:/g' can only be read\n"
    assert "can't remove" in based("start", "-a", "c", code=1).err  # it is what it was


def test_links_that_an_earlier_copy_brought_are_not_followed(based: Lxgit, scratch: Path) -> None:
    script = "mkdir -p /w/d; ln -s /etc/motd /w/f; ln -s $1 /w/d/evil"
    based("run", "--name", "c", "base", "sh", "-c", script, "sh", str(scratch / "prize"))
    (scratch / "prize").mkdir()
    (scratch / "out").mkdir()
    based("cp", "c:/w", scratch / "out")
    (scratch / "in/evil").mkdir(parents=True)
    (scratch / "in/evil/x").touch()
    based("cp", f"{scratch}/in/evil", "c:/w/new")
    based("run", "--name", "e", "base", "sh", "-c", "mkdir -p /w/d/evil; touch /w/d/evil/x /w/f")
    refused = based("cp", "e:/w", scratch / "out", code=1)
    assert "'w/d/evil' is there, and is no directory" in refused.err
    assert os.listdir(scratch / "prize") == []
    based("cp", "e:/w/f", scratch / "out/w")
    assert (scratch / "out/w/f").read_bytes() == b""
    assert not (scratch / "out/w/f").is_symlink()


def test_a_directory_into_itself(based: Lxgit, scratch: Path) -> None:
    (scratch / "dir/sub").mkdir(parents=True)
    based("create", "--name", "c", "-v", f"{scratch}/dir:/mnt", "base", "true")
    refused = based("cp", scratch / "dir", "c:/mnt/sub", code=1)
    assert "would be copied into itself" in refused.err


def test_a_file_that_grows_and_files_that_go(based: Lxgit, scratch: Path) -> None:
    """Every copy succeeds, and is what a reader could have seen."""
    script = """
    mkdir /w; echo line >>/w/log; touch /ready
    while :; do echo line >>/w/log; echo x >/w/a; mv /w/a /w/b; rm -f /w/b; done
    """
    based("run", "-d", "--name", "busy", "base", "sh", "-c", script)
    try:
        wait_for(lambda: based("exec", "busy", "test", "-e", "/ready", code=None).code == 0)
        good = 0
        for number in range(8):
            done = based("cp", "busy:/w", scratch / f"copy{number}", code=None)
            if done.code:
                assert "try again" in done.err or "was replaced" in done.err
                continue
            good += 1
            log = (scratch / f"copy{number}/log").read_text()
            assert set(log.splitlines()) <= {"line"}
        assert good
    finally:
        based("rm", "-f", "busy")


@pytest.mark.parametrize("what", ["directory", "file"])
def test_links_that_are_swapped_in_lead_nowhere(based: Lxgit, scratch: Path, what: str) -> None:
    """While a path of a container is a link to a place of the host half of the time."""
    canary = scratch / "canary"
    canary.mkdir()
    (canary / "f").write_text("SECRET")
    (scratch / "in").mkdir()
    (scratch / "in/f").write_text("payload")
    (scratch / "in/f").chmod(0o4777)
    there = canary if what == "directory" else canary / "f"
    script = f"mkdir -p /w/d /w/l; echo in >/w/d/f; touch /w/g; ln -s {there} /w/link; sleep 600"
    based("run", "-d", "--name", "swap", "base", "sh", "-c", script)
    wait_for(lambda: based("exec", "swap", "test", "-L", "/w/link", code=None).code == 0)
    repository = open_repository(based.store)
    supervisor = find_container(repository, "swap").state.supervisor
    inside = Path(f"/proc/{supervisor}/root{ROOT}/w")
    swapped = inside / ("d" if what == "directory" else "g")
    before = (canary / "f").stat()
    inward = Place("swap", b"/w/d" if what == "directory" else b"/w/g")
    outward = Place("swap", b"/w/d/f" if what == "directory" else b"/w/g")
    done = {True: 0, False: 0}
    end = time.monotonic() + 2.5
    with exchanging(swapped, inside / "link"):
        while time.monotonic() < end or not done[True]:
            out = scratch / f"out{sum(done.values())}"
            out.mkdir()
            for source, target in (
                (Place(None, os.fsencode(scratch / "in/f")), inward),
                (Place(None, os.fsencode(scratch / "in") + b"/."), inward),
                (outward, Place(None, os.fsencode(out))),
                (Place("swap", b"/w"), Place(None, os.fsencode(out))),
            ):
                done[tried(repository, source, target)] += 1
            for file in out.rglob("*"):
                assert file.is_symlink() or not file.is_file() or file.read_text() != "SECRET"
            assert time.monotonic() < end + 60
    assert os.listdir(canary) == ["f"]
    assert (canary / "f").read_text() == "SECRET"
    now = (canary / "f").stat()
    assert (now.st_mode, now.st_ctime_ns) == (before.st_mode, before.st_ctime_ns)
    based("rm", "-f", "swap")


def tried(repository: Repository, source: Place, target: Place) -> bool:
    """Whether it could be copied."""
    try:
        copying.copy(repository, source, target, archive=True, follow=True, progress=NullProgress())
    except (LxgitError, OSError):
        return False
    return True
