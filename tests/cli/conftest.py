"""Stores for commands: a small machine, one with a history, and that of an ordinary user."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from tests.conftest import unable
from tests.support import machine, netns, ordinary
from tests.support.ordinary import OrdinaryUser
from tests.support.peers import Peer, host_with_peer
from tests.support.program import Lxgit
from tests.support.stockgit import StockGit
from tests.support.stores import copied

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def based_store(work_directory: Path, busybox_tar: Path) -> Path:
    """A store with busybox on the branch `base`, which is HEAD's: to be copied."""
    made = Lxgit(work_directory / "based", work_directory)
    made("import", busybox_tar, "base", "-m", "A small machine", env=written_at(0))
    return made.store


@pytest.fixture(scope="session")
def grown_store(based_store: Path, work_directory: Path, busybox_rootfs: Path) -> Path:
    """The same with a branch `tuned`, HEAD's, whose second commit changed five paths of /etc."""
    made = Lxgit(copied(based_store, work_directory / "grown"), work_directory)
    root = work_directory / "tuned"
    subprocess.run(["cp", "-a", busybox_rootfs, root], check=True)
    etc = root / "etc"
    (etc / "motd").write_text("A small machine.\nIt is tuned.\n")
    (etc / "logo").write_bytes(b"\0\1\2")
    (etc / "hosts").unlink()
    (etc / "profile").chmod(0o600)
    (etc / "mtab").symlink_to("/proc/mounts")
    made("checkout", "-q", "-b", "tuned", "base")
    made("import", root, "tuned", "-m", "Tune it\n\nWith a logo.", env=written_at(60))
    shutil.rmtree(root)
    return made.store


@pytest.fixture(scope="session")
def furnished_store(based_store: Path, work_directory: Path, busybox_rootfs: Path) -> Path:
    """The store with a branch `data`, HEAD's, whose image has something in /data, and links."""
    made = Lxgit(copied(based_store, work_directory / "furnished"), work_directory)
    root = work_directory / "furniture"
    subprocess.run(["cp", "-a", busybox_rootfs, root], check=True)
    (root / "data/deep").mkdir(parents=True)
    (root / "data/seed").write_text("from the image\n")
    os.link(root / "data/seed", root / "data/deep/twin")
    os.chown(root / "data/seed", 1000, 50)
    os.chown(root / "data", 33, 33)
    (root / "data").chmod(0o2750)
    os.setxattr(root / "data/seed", "user.note", b"kept")
    (root / "to-proc").symlink_to("/proc")
    (root / "out").symlink_to("../../../../../../var/out")
    (root / "also").symlink_to("data")
    made("import", root, "data", "-m", "Data")
    made("checkout", "-q", "data")
    return made.store


@pytest.fixture
def based(lxgit: Lxgit, based_store: Path) -> Lxgit:
    """The program on a store of the test's own with a branch `base`."""
    copied(based_store, lxgit.store)
    return lxgit


@pytest.fixture
def emptied(based: Lxgit) -> Iterator[Lxgit]:
    """That store; its containers are all gone at the end."""
    yield based
    based("rm", "-f", *based("ps", "-aq").lines, code=None)


@pytest.fixture
def peer() -> Iterator[Peer]:
    """Be on a host with a network of the test's own, and have who is at its other end."""
    with host_with_peer() as other:
        yield other


@pytest.fixture
def grown(lxgit: Lxgit, grown_store: Path) -> Lxgit:
    """The program on a store of the test's own with the branches `base` and `tuned`."""
    copied(grown_store, lxgit.store)
    return lxgit


@pytest.fixture
def full(grown: Lxgit) -> Lxgit:
    """The same with a third branch and an annotated tag."""
    grown("branch", "third", "base")
    grown("tag", "-a", "-m", "a note", "noted", "tuned")
    return grown


@pytest.fixture
def other(grown: Lxgit) -> Lxgit:
    """The program on another store, which is not there yet."""
    return replace(grown, store=grown.store.with_name("other"))


@pytest.fixture
def lx(lxgit: Lxgit, furnished_store: Path) -> Iterator[Lxgit]:
    """The program on a store of the test's own with the branches `base` and `data`."""
    copied(furnished_store, lxgit.store)
    yield lxgit
    lxgit("rm", "-f", *lxgit("ps", "-aq").lines, code=None)


@pytest.fixture
def git(store_dir: Path) -> StockGit:
    """Stock Git on the store of the test."""
    return StockGit(store_dir / "git")


def row(lxgit: Lxgit, name: str) -> dict[str, Any]:
    """What `ps` says of a container."""
    rows = lxgit("ps", "-a", "--format", "json").json
    return next(found for found in rows if found["name"] == name)


def files(lxgit: Lxgit, revision: str) -> list[str]:
    """What decides what a container of an image sees."""
    git = StockGit(lxgit.store / "git")
    return [git.word("rev-parse", f"{revision}:{part}") for part in ("rootfs", "links")]


def sh(lxgit: Lxgit, *options: str, script: str, code: int = 0) -> list[str]:
    """The lines that a shell prints in a container that goes at its end."""
    return lxgit("run", "--rm", *options, "data", "sh", "-c", script, code=code).lines


def written_at(seconds: int) -> dict[str, str]:
    """The environment of who commits so many seconds after the tests' begin of time."""
    date = f"{1_700_000_000 + seconds} +0100"
    return {
        "GIT_AUTHOR_NAME": "Ada",
        "GIT_AUTHOR_EMAIL": "ada@example.org",
        "GIT_AUTHOR_DATE": date,
        "GIT_COMMITTER_NAME": "Bo",
        "GIT_COMMITTER_EMAIL": "bo@example.org",
        "GIT_COMMITTER_DATE": date,
    }


@pytest.fixture(scope="module")
def user() -> Iterator[int]:
    if reason := machine.lacks_program("newuidmap"):
        unable(reason)
    with ordinary.account() as number:
        yield number


@pytest.fixture
def lxgit_of(passage: Path, user: int) -> Iterator[OrdinaryUser]:
    """The program for that user, on a store without anything in it."""
    home = passage / "home"
    home.mkdir()
    os.chown(home, user, user)
    environment = Lxgit(home / "store", home).environment()
    del environment["XDG_RUNTIME_DIR"]  # there is no session
    as_user = OrdinaryUser(passage, environment, number=user)
    yield as_user
    for container in as_user("ps", "-aq").lines:
        as_user("rm", "-f", container)


@pytest.fixture
def person(lxgit_of: OrdinaryUser, busybox_tar: Path) -> OrdinaryUser:
    """The same with an image, `base`."""
    archive = lxgit_of.passage / "busybox.tar"
    archive.write_bytes(busybox_tar.read_bytes())
    archive.chmod(0o644)
    lxgit_of("import", str(archive), "base", code=0)
    return lxgit_of


@pytest.fixture
def context(scratch: Path) -> Path:
    """An empty build context."""
    path = scratch / "context"
    path.mkdir()
    return path


@pytest.fixture
def networked(person: OrdinaryUser) -> OrdinaryUser:
    """The same where /dev/net/tun is everybody's, as udev has it where that runs."""
    if not os.path.exists("/dev/net/tun"):
        unable("the kernel has no /dev/net/tun")
    node = person.passage / "tun"
    commands = f"""
        [ -e {node} ] || mknod {node} c 10 200
        chmod 666 {node}
        mount --bind {node} /dev/net/tun
    """
    return replace(person, before=commands)


@pytest.fixture
def outside() -> Iterator[str]:
    """An address at which a server says "reached" on port 4000, as it does on loopback."""
    with netns.fresh():
        for command in (
            "link add outer type veth peer name inner",
            "address add 192.0.2.1/24 dev outer",
            "address add 198.51.100.1/32 dev inner",  # pasta gives a container those of outer
            "link set inner up",
            "link set outer up",
            "route add default via 192.0.2.77",
        ):
            subprocess.run(["ip", *command.split()], check=True)
        with socket.create_server(("0.0.0.0", 4000)) as server:
            thread = threading.Thread(target=_serve, args=(server,))
            thread.start()
            yield "198.51.100.1"
            server.shutdown(socket.SHUT_RDWR)  # accept(2) would not end with the descriptor
            thread.join()


def _serve(server: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while True:
            channel, _ = server.accept()
            with channel, contextlib.suppress(OSError):  # who has asked may have left
                channel.sendall(b"reached\n")
