"""What an image tries once it runs: it reaches no mount option, device or user of the host."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import tarfile
from typing import TYPE_CHECKING

import pytest

from tests.support.archives import BLOCK_DEVICE, CHARACTER, DIRECTORY, FILE
from tests.support.program import PROGRAM

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.program import Lxgit

pytestmark = [pytest.mark.root, pytest.mark.lxc, pytest.mark.overlay]

OVERLAY = "SCHILY.xattr.trusted.overlay."


def evil(busybox_tar: Path, to: Path) -> Path:
    """Busybox with all that an image can plant."""
    disk = os.stat("/").st_dev
    with (
        tarfile.open(busybox_tar) as source,
        tarfile.open(to, "w", format=tarfile.PAX_FORMAT) as tar,
    ):
        for member in source:
            if member.name.strip("./") == "etc":
                member.pax_headers = {OVERLAY + "opaque": "y", OVERLAY + "origin": "x"}
            tar.addfile(member, source.extractfile(member) if member.isreg() else None)
        _add(tar, "secret", DIRECTORY, mode=0o700)
        _add(tar, "secret/key", content=b"key\n")
        _add(tar, "planted", DIRECTORY, pax={OVERLAY + "redirect": "/secret"})
        _add(tar, "planted/own", content=b"own\n")
        _add(
            tar,
            "meta",
            content=b"here\n",
            pax={OVERLAY + "metacopy": "", OVERLAY + "redirect": "/secret/key"},
        )
        _add(tar, "etc/.wh.passwd")
        _add(tar, ".wh..wh..opq")
        _add(tar, "etc/motd", CHARACTER)
        _add(tar, "mem", CHARACTER, mode=0o666, devmajor=1, devminor=1)
        _add(tar, "zero", CHARACTER, mode=0o666, devmajor=1, devminor=5)
        _add(
            tar, "disk", BLOCK_DEVICE, mode=0o666, devmajor=os.major(disk), devminor=os.minor(disk)
        )
        busybox = source.extractfile("./bin/busybox")
        assert busybox is not None
        _add(tar, "become", content=busybox.read(), mode=0o6755)
    return to


def _add(
    tar: tarfile.TarFile,
    name: str,
    kind: bytes = FILE,
    content: bytes = b"",
    pax: dict[str, str] | None = None,
    **values: int,
) -> None:
    member = tarfile.TarInfo(f"./{name}")
    member.type, member.size, member.pax_headers = kind, len(content), pax or {}
    member.mode = 0o755 if kind == DIRECTORY else 0o644
    for key, value in values.items():
        setattr(member, key, value)
    tar.addfile(member, io.BytesIO(content))


@pytest.fixture(params=["base layer", "delta"])
def program(
    request: pytest.FixtureRequest, lxgit: Lxgit, busybox_tar: Path, scratch: Path
) -> Lxgit:
    """A store with the image `evil`: as the base layer of its import, or as one above busybox's."""
    archive = evil(busybox_tar, scratch / "evil.tar")
    lxgit("import", busybox_tar, "base")
    lxgit("import", archive, "evil")
    if request.param == "delta":
        lxgit("prune")
        lxgit("run", "--rm", "base", "true")
    return lxgit


def test_it_cannot_plant_what_the_mount_obeys(program: Lxgit) -> None:
    seen = program(
        *("run", "--rm", "evil", "sh", "-c"),
        "ls -A / /etc /planted; cat /etc/passwd /planted/own /meta; ls /etc/motd; ls /planted/key",
        code=1,
    )
    words = seen.out.split()
    assert {"passwd", "hosts", "own", "here", ".wh.passwd", ".wh..wh..opq"} <= set(words)
    assert "root:x:0:0" in seen.out  # /etc/passwd: the directory hides nothing, nor does .wh.passwd
    assert "key" not in words
    assert "/etc/motd" not in words


def test_its_attributes_are_there_for_root_of_the_host_alone(program: Lxgit, scratch: Path) -> None:
    program("export", "evil", "-o", scratch / "out.tar")
    with tarfile.open(scratch / "out.tar") as members:
        found = {member.name: member.pax_headers for member in members}
    assert found["./etc"][OVERLAY + "opaque"] == "y"
    assert found["./planted"][OVERLAY + "redirect"] == "/secret"


@pytest.mark.parametrize("path", ["/mem", "/zero", "/disk"])
def test_its_devices_are_dead(program: Lxgit, path: str) -> None:
    for script in (f"head -c1 {path}", f"echo x >{path}"):
        result = program("run", "--rm", "evil", "sh", "-c", script, code=1)
        assert "ermission denied" in result.err


def test_a_device_in_place_of_passwd_has_nobody(
    lxgit: Lxgit, busybox_tar: Path, scratch: Path
) -> None:
    shutil.copy(busybox_tar, scratch / "image.tar")
    with tarfile.open(scratch / "image.tar", "a", format=tarfile.PAX_FORMAT) as tar:
        _add(tar, "etc/passwd", CHARACTER, mode=0o666, devmajor=1, devminor=3)
    lxgit("import", scratch / "image.tar", "base")
    alone = ("run", "--rm", "--network", "none")
    refused = lxgit(*alone, "-u", "www", "base", "true", code=125)
    assert refused.err.startswith("lxgit: the image has no user 'www'\n")
    assert lxgit(*alone, "base", "id", "-u").out == "0\n"


def test_nobody_else_reaches_its_setuid_programs(program: Lxgit) -> None:
    program("run", "-d", "--name", "on", "evil", "sh", "-c", "ls -l /become; sleep 600")
    try:
        places = [str(program.store), "/run/lxgit"]
        found = find(places)
        assert any(os.path.isdir(place) for place in places)
        assert b"become" not in found.stdout
        assert b"Permission denied" in found.stderr  # there is something, and not for them
        assert inside_of_processes("become") == []
    finally:
        program("rm", "-f", "on")
    assert "rwsr-sr-x" in program("run", "--rm", "evil", "ls", "-l", "/become").out


@pytest.mark.parametrize("umask", ["000", "077"])
def test_others_can_pass_where_containers_run_and_list_nothing(based: Lxgit, umask: str) -> None:
    """Whatever the umask of the first command after a boot is."""
    script = """
        mount -t tmpfs -o mode=755 none /run
        umask "$0"
        "$@"
        find /run/lxgit -maxdepth 1 -printf "%m %p\n"
        ! setpriv --reuid=65534 --regid=65534 --clear-groups ls /run/lxgit /run/lxgit/c
    """
    command = (PROGRAM, "run", "--rm", "--network", "none", "base", "true")
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-e", "-c", script, umask, *command],
        capture_output=True,
        text=True,
        env=based.environment(),
        check=True,
    )
    assert set(done.stdout.splitlines()) == {
        "711 /run/lxgit",
        "711 /run/lxgit/c",
        "711 /run/lxgit/stage",
        "700 /run/lxgit/b",
    }
    assert done.stderr.count("ermission denied") == 2


def find(places: list[str]) -> subprocess.CompletedProcess[bytes]:
    """What an ordinary user of the host sees below some directories that bears a set-id bit."""
    return subprocess.run(
        [*("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"),
         *("find", *places, "-perm", "/6000")],
        capture_output=True,
        check=False,
        cwd="/",
    )  # fmt: skip


def inside_of_processes(name: str) -> list[bytes]:
    """The file as an ordinary user finds it through the root directory of any process."""
    done = subprocess.run(
        [*("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "sh", "-c"),
         f"ls /proc/[0-9]*/root/{name} 2>/dev/null"],
        capture_output=True,
        check=False,
        cwd="/",
    )  # fmt: skip
    return done.stdout.split()
