"""What goes wrong is told in a line, with a hint and the right exit code; nothing is half-written.

More of it stands with the commands: a commit of nothing and a branch that moved in test_worktree,
the start of a running container in test_containers.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from tests.conftest import unable
from tests.support import denied, disks, machine
from tests.support.ordinary import USER, OrdinaryUser
from tests.support.program import PROGRAM, Lxgit, refused
from tests.support.stores import contents

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.stockgit import StockGit


EVERYTHING = [
    ["log", "nope"],
    ["log", "base..nope"],
    ["show", "nope"],
    ["show", "nope:/etc/hosts"],
    ["ls", "nope:/etc"],
    ["rev-parse", "nope"],
    ["diff", "nope"],
    ["diff", "base", "nope"],
    ["branch", "new", "nope"],
    ["tag", "new", "nope"],
    ["checkout", "nope"],
    ["checkout", "-b", "new", "nope"],
    ["switch", "--detach", "nope"],
    ["export", "nope"],
    ["inspect", "nope"],
    ["rmi", "nope"],
]
"""Commands that look a revision up."""


@pytest.mark.parametrize("words", EVERYTHING, ids=" ".join)
def test_an_unknown_revision(grown: Lxgit, words: list[str]) -> None:
    grown("branch", "nopf")
    before = contents(grown.store)
    told = "[]\n" if words[0] == "inspect" else ""  # all that was found, as in Docker
    refused(grown(*words, code=1), "there is no 'nope'", "did you mean 'nopf'?", out=told)
    assert contents(grown.store) == before


@pytest.mark.parametrize("words", EVERYTHING, ids=" ".join)
def test_without_a_store(lxgit: Lxgit, words: list[str]) -> None:
    refused(lxgit(*words, code=1), "there is no store at", "'lxgit bootstrap trixie base'")
    assert not lxgit.store.exists()


def test_an_image_that_is_missing(lxgit: Lxgit, busybox_tar: Path) -> None:
    lxgit("import", busybox_tar, "base")
    refused(lxgit("run", "bose", "true", code=125), "there is no 'bose'", "did you mean 'base'?")
    refused(lxgit("show", "base:etc/hosts", code=1), "'base:etc/hosts'", "'base:/etc/hosts'")
    refused(lxgit("ls", "base:/nowhere", code=1), "'base' has no '/nowhere'", "lxgit ls base:/")
    refused(lxgit("show", ":/etc/hosts", code=1), "':/etc/hosts'", "'HEAD:/etc/hosts'")
    refused(lxgit("import", "nowhere.tar", "base", code=1), "no 'nowhere.tar' to import", "a tar")


def test_a_path_where_a_revision_is_wanted(grown: Lxgit) -> None:
    for words, hint in (
        (["ls", "--", "/etc"], "in HEAD it is 'HEAD:/etc', in a container 'CONTAINER:/etc'"),
        (["log", "/etc"], "lxgit log -- /etc"),
        (["log", "base", "/etc"], "lxgit log base -- /etc"),
        (["diff", "base", "/etc"], "lxgit diff base -- /etc"),
        (["diff", "base", "tuned", "/etc"], "lxgit diff base tuned -- /etc"),
        (["diff", "base..tuned", "/etc"], "lxgit diff base..tuned -- /etc"),
    ):
        refused(grown(*words, code=1), "'/etc' is a path, not a commit", hint)
    grown("ls", "HEAD:/etc")
    grown("log", "base", "--", "/etc")
    refused(grown("diff", "base..tuned", "base", code=2), "diff compares two at a time", "OLD NEW")

    fault = grown("branch", "new", "HEAD~1:/etc", code=1)
    hint = "did you mean 'HEAD~1'? '/etc' is a path in it"
    refused(fault, "'HEAD~1:/etc' is a path, not a commit", hint)


@pytest.mark.parametrize("name", ["base", "HEAD", "@"])
def test_a_path_without_its_slash(grown: Lxgit, name: str) -> None:
    told = f"a path is written '{name}:/etc/motd'"
    refused(grown("show", f"{name}:etc/motd", code=1), f"there is no '{name}:etc/motd'", told)


def test_a_message_that_says_nothing(based: Lxgit, busybox_tar: Path) -> None:
    done = based("import", busybox_tar, "new", "-m", "  ", code=2)
    refused(done, "the message is empty", "-m MESSAGE, or none at all")


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["import", "", "new"], 1, "there is no '' to import"),
        (["cp", "", "box:/srv"], 2, "a path of the host is empty"),
        (["cp", "box:/etc", ""], 2, "a path of the host is empty"),
        (["save", "--format", "oci-dir", "-o", "", "base"], 2, "a directory needs a name"),
        (["export", "-o", "", "base"], 2, "-o: the name of the file is empty"),
        (["save", "-o", "", "base"], 2, "-o: the name of the file is empty"),
        (["run", "--env-file", "", "base"], 2, "--env-file: the name of the file is empty"),
        (["run", "--label-file", "", "base"], 2, "--label-file: the name of the file is empty"),
    ],
)
def test_an_empty_word_is_not_the_current_directory(
    based: Lxgit, scratch: Path, words: list[str], code: int, told: str
) -> None:
    """As a script has one of a variable that is not set."""
    here = scratch / "here"
    here.mkdir()
    assert based(*words, code=code, cwd=here).err.startswith(f"lxgit: {told}\n")
    assert os.listdir(here) == []
    assert based("branch").lines == ["* base"]


@pytest.mark.root
def test_an_interrupted_import_leaves_nothing(based: Lxgit, git: StockGit, scratch: Path) -> None:
    root = scratch / "large"
    root.mkdir()
    for number in range(200):
        (root / f"{number}").write_bytes(os.urandom(1 << 20))
    is_done = True
    while is_done:  # it may be before the signal comes
        (root / "0").write_bytes(os.urandom(1 << 20))
        before = contents(based.store)
        layers = set(os.listdir(based.store / "layers"))
        command = [str(PROGRAM), "import", str(root), "new"]
        with subprocess.Popen(command, env=based.environment(), stderr=subprocess.PIPE) as process:
            while set(os.listdir(based.store / "layers")) == layers:  # until one is being written
                assert process.poll() is None
                time.sleep(0.01)
            process.send_signal(signal.SIGINT)
            assert process.communicate(timeout=60)[1] == b""
        is_done = process.returncode == 0
    assert process.returncode == 130
    assert contents(based.store) == before
    assert git.fsck() == b""


def truncated(tar: bytes) -> bytes:
    return tar[: len(tar) // 2 // 512 * 512 + 100]


def flipped(tar: bytes) -> bytes:
    """With a wrong header in the middle."""
    at = tar.index(b"./etc/motd")
    return tar[:at] + b"#" + tar[at + 1 :]


def packed(tar: bytes) -> bytes:
    done = subprocess.run(["gzip", "-1"], input=tar, capture_output=True, check=True)
    return done.stdout[: len(done.stdout) // 2]


@pytest.mark.parametrize(
    "spoil",
    [
        truncated,
        flipped,
        packed,
        lambda _: b"",
        lambda _: b"This is no archive.\n" * 100,
        lambda _: b"\x28\xb5\x2f\xfd and nothing more",
    ],
    ids=["truncated", "flipped", "truncated gzip", "empty", "text", "no zstd"],
)
@pytest.mark.parametrize("piped", [False, True], ids=["file", "pipe"])
def test_an_archive_that_is_none(
    based: Lxgit, git: StockGit, busybox_tar: Path, scratch: Path, spoil: object, piped: bool
) -> None:
    assert callable(spoil)
    data = spoil(busybox_tar.read_bytes())
    before = contents(based.store)
    (scratch / "bad.tar").write_bytes(data)
    if piped:
        result = based("import", "-", "new", stdin=data, code=1)
    else:
        result = based("import", scratch / "bad.tar", "new", code=1)
    refused(result, "")
    assert contents(based.store) == before
    assert git.fsck() == b""


@pytest.mark.parametrize("words", [("import", "-", "new"), ("load",)], ids=" ".join)
def test_bytes_of_a_file_that_is_no_archive_are_told_as_text(
    based: Lxgit, words: tuple[str, ...]
) -> None:
    result = based(*words, stdin=b"a:x:1\n" * 200, code=1)
    refused(result, r"no tar archive (the bad number '1\na:x:1\n' in its header at 0)")


@pytest.fixture
def small_disk(scratch: Path) -> Iterator[Path]:
    """A file system of 24 MiB."""
    with disks.small(scratch, 24) as place:
        yield place


def free(disk: Path) -> int:
    status = os.statvfs(disk)
    return status.f_bavail * status.f_bsize


@pytest.mark.root
def test_a_full_disk(small_disk: Path, scratch: Path, busybox_tar: Path) -> None:
    """Every write on it is refused in words; the space comes back, and then it works."""
    lxgit = Lxgit(small_disk / "store", scratch)
    lxgit("import", busybox_tar, "base")
    before, space = contents(lxgit.store), free(small_disk)
    large = scratch / "large"
    large.mkdir()
    (large / "noise").write_bytes(os.urandom(30 << 20))
    for source in (large, _tar_of(large)):
        refused(lxgit("import", source, "new", code=1), "the file system has room for", "lxgit gc")
        assert contents(lxgit.store) == before
        assert free(small_disk) >= space - (64 << 10)
    with (small_disk / "ballast").open("wb") as ballast:
        _fill(ballast.fileno())
        for words in (["branch", "new"], ["tag", "v1"], ["checkout", "-b", "new"]):
            refused(lxgit(*words, code=1), "no space left on device", "lxgit prune")
        refused(
            lxgit("export", "base", "-o", small_disk / "out.tar", code=1),
            "out.tar: no space left on device",
        )
        assert contents(lxgit.store) == before
    (small_disk / "ballast").unlink()
    lxgit("branch", "new")
    assert lxgit("fsck").out == "No faults found.\n"


def _tar_of(root: Path) -> Path:
    archive = root.with_suffix(".tar")
    subprocess.run(["tar", "-C", root, "-cf", archive, "."], check=True)
    return archive


def _fill(fd: int) -> None:
    """Write until nothing more fits."""
    for size in (1 << 20, 4096, 512, 1):
        try:
            while os.write(fd, bytes(size)) == size:
                os.fsync(fd)
        except OSError:
            continue


@pytest.mark.root
@pytest.mark.lxc
@pytest.mark.overlay
def test_a_full_disk_under_a_container(small_disk: Path, scratch: Path, busybox_tar: Path) -> None:
    """A commit that does not fit leaves the container as it is; with space again it succeeds."""
    lxgit = Lxgit(small_disk / "store", scratch)
    lxgit("import", busybox_tar, "base")
    half = "dd if=/dev/urandom of=/noise bs=64k count=112 2>/dev/null"
    lxgit("run", "--name", "web", "base", "sh", "-c", half)
    with (small_disk / "ballast").open("wb") as ballast:
        _fill(ballast.fileno())
        refused(lxgit("commit", "-m", "x", code=1), "no space left on device", "lxgit prune")
        assert lxgit("status").lines[3] == "  A  /noise  (7.34 MB)"
    (small_disk / "ballast").unlink()
    lxgit("commit", "-m", "Noise")
    assert len(lxgit("log", "-q").lines) == 2
    assert lxgit("fsck").code == 0


@pytest.mark.root
@pytest.mark.overlay
def test_a_store_on_overlayfs(scratch: Path, busybox_tar: Path) -> None:
    for name in ("lower", "upper", "work", "merged"):
        (scratch / name).mkdir()
    options = f"lowerdir={scratch}/lower,upperdir={scratch}/upper,workdir={scratch}/work"
    subprocess.run(
        ["mount", "-t", "overlay", "overlay", "-o", options, scratch / "merged"], check=True
    )
    try:
        lxgit = Lxgit(scratch / "merged/store", scratch)
        lxgit("import", busybox_tar, "base")
        refused(lxgit("run", "base", "true", code=125), "is on overlayfs", "--store DIR")
        assert lxgit("ps", "-aq").out == ""
        assert lxgit("show", "base:/etc/hosts").out == "127.0.0.1\tlocalhost\n"
    finally:
        subprocess.run(["umount", scratch / "merged"], check=True)


def test_a_store_of_a_newer_format(based: Lxgit) -> None:
    (based.store / "format").write_text("lxgit store 2\n")
    refused(based("log", code=1), "has the format 'lxgit store 2\\n'", "or a newer one")
    refused(based("import", "/etc", "x", code=1), "has the format", "or a newer one")


def test_an_image_of_a_newer_format(based: Lxgit, git: StockGit) -> None:
    listing = git("ls-tree", "base").decode()
    old = next(line.split()[2] for line in listing.splitlines() if line.endswith("\tformat"))
    tree = git.word("mktree", stdin=listing.replace(old, git.blob(b"lxgit 2\n")).encode())
    git("update-ref", "refs/heads/newer", git.commit("Newer\n", tree=tree))
    refused(
        based("ls", "newer", code=1), "has format 2, this lxgit reads format 1", "a newer lxgit"
    )
    assert based("log", "--oneline", "newer").out.endswith(" Newer\n")


def test_a_commit_that_is_no_image(based: Lxgit, git: StockGit) -> None:
    git("update-ref", "refs/heads/other", git.commit("Other\n"))
    refused(based("show", "other:/etc/hosts", code=1), "is no image of lxgit's", "'format' file")
    refused(based("diff", "base", "other", code=1), "is no image of lxgit's")


def test_what_is_no_store(lxgit: Lxgit, scratch: Path) -> None:
    (scratch / "file").write_text("x")
    refused(lxgit("--store", scratch / "file", "log", code=1), "is not a directory", "--store")
    for number, name in enumerate(("file", "git/project.git/HEAD", "layers/file", "git.example")):
        other = scratch / str(number)
        (other / name).parent.mkdir(parents=True)
        (other / name).write_text("x")
        mode = other.stat().st_mode
        for words in (["log"], ["import", "/etc", "x"]):
            refused(lxgit("--store", other, *words, code=1), "is not a store", "--store")
        assert [path.name for path in other.iterdir()] == [name.partition("/")[0]]
        assert other.stat().st_mode == mode


def masked(lxgit: Lxgit, script: str, *words: str) -> subprocess.CompletedProcess[str]:
    """The program after `script` has changed what is mounted, for it alone."""
    command = [
        "unshare",
        "--mount",
        "sh",
        "-ec",
        f'{script}\nexec "$@"',
        "sh",
        str(PROGRAM),
        *words,
    ]
    return subprocess.run(
        command, env=lxgit.environment(), capture_output=True, text=True, check=False
    )


@pytest.mark.root
@pytest.mark.lxc
def test_no_lxc(based: Lxgit) -> None:
    hide = "for each in /usr/bin/lxc-*; do mount --bind /dev/null $each; done"
    done = masked(based, hide, "run", "base", "true")
    assert (done.returncode, done.stdout) == (125, "")
    assert done.stderr == "lxgit: LXC is not installed\nhint: apt install lxc\n"
    assert masked(based, hide, "log", "-q").stdout == based("log", "-q").out
    assert based("ps", "-aq").out == ""


@pytest.mark.root
@pytest.mark.lxc
def test_no_overlayfs(based: Lxgit) -> None:
    """A kernel without it answers fsopen(2) with ENODEV."""
    for probed in based.store.glob(".probed*"):
        probed.unlink()
    command = [sys.executable, denied.__file__, "fsopen", "ENODEV", str(PROGRAM)]
    done = subprocess.run(
        [*command, "run", "base", "true"],
        env=based.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (125, "")
    assert "the kernel has no overlayfs" in done.stderr
    assert "\nhint: " in done.stderr
    assert based("ps", "-aq").out == ""


@pytest.mark.root
def test_no_git(based: Lxgit) -> None:
    done = masked(based, "mount --bind /dev/null /usr/bin/git", "log")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "lxgit: there is no git program\nhint: apt install git\n"


@pytest.mark.root
def test_no_root(passage: Path, busybox_tar: Path) -> None:
    """An ordinary user has history, and is told what containers lack; see test_rootless.py."""
    home = passage / "user"
    home.mkdir()
    os.chown(home, USER, USER)
    archive = home / "busybox.tar"
    archive.write_bytes(busybox_tar.read_bytes())
    archive.chmod(0o644)
    as_user = OrdinaryUser(passage, Lxgit(home / "store", home).environment())

    assert as_user("import", str(archive), "base").code == 0
    assert as_user("show", "base:/etc/hosts").out == "127.0.0.1\tlocalhost\n"
    for words in (["branch", "other"], ["tag", "noted"], ["gc"], ["branch", "-D", "other"]):
        assert as_user(*words).code == 0, words
    run = as_user("run", "base", "true")
    assert run.code == 125
    refused(run, "no ids for containers in /etc/subuid", "usermod --add-subuids")
    assert as_user("ps", "-aq").out == ""
    assert as_user("fsck").out == "No faults found.\n"


def test_a_branch_that_is_locked(based: Lxgit) -> None:
    """By another process, or one that died: Git's own lock file."""
    lock = based.store / "git/refs/heads/new.lock"
    lock.write_text("")
    refused(based("branch", "new", code=1), f"{lock}", "remove that file")
    lock.unlink()
    based("branch", "new")


@pytest.mark.root
def test_what_an_archive_does_not_have_is_told_in_its_own_words(lxgit: Lxgit) -> None:
    if reason := machine.lacks_program("mmdebstrap"):
        unable(reason)
    mirror = "http://127.0.0.1:9/debian"
    result = lxgit("bootstrap", "trixie", "base", "--mirror", mirror, code=1)
    refused(result, f"mmdebstrap: Failed to fetch {mirror}", "--mirror")
