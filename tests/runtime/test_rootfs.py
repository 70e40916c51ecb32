"""What a root gets besides its layers, and that nothing of it lands outside."""

from __future__ import annotations

import os
import stat
import struct
from typing import TYPE_CHECKING

import pytest

from lxgit.runtime import overlay, rootfs
from lxgit.runtime.idmap import Extent, IdMap
from lxgit.runtime.protocol import StartFailed
from lxgit.runtime.rootfs import (
    UnusableRoot,
    make_directory,
    missing_mount_points,
    resolve,
    write_init_layer,
)
from tests.support import rlimits

if TYPE_CHECKING:
    from pathlib import Path

    from tests.runtime.conftest import Machine

IDS = IdMap((Extent(0, 500_000_000, 65536),))


@pytest.fixture
def root(scratch: Path) -> Path:
    path = scratch / "root"
    path.mkdir(mode=0o755)
    return path


def opened(path: Path) -> int:
    return os.open(path, os.O_RDONLY | os.O_DIRECTORY)


@pytest.mark.parametrize(
    ("links", "path", "expected"),
    [
        ({}, b"etc/hosts", b"etc/hosts"),
        ({"etc": "/usr/etc"}, b"etc/hosts", b"usr/etc/hosts"),
        ({"etc": "../../../../usr"}, b"/etc/hosts", b"usr/hosts"),
        ({"a": "b", "b": "c"}, b"a/x", b"c/x"),
        ({"d/l": "../e"}, b"d/l/x", b"e/x"),
        ({}, b"a/../../b/./c//", b"b/c"),
        ({}, b"", b""),
    ],
)
def test_links_lead_nowhere_but_inside(
    root: Path, links: dict[str, str], path: bytes, expected: bytes
) -> None:
    for name, target in links.items():
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).symlink_to(target)
    fd = opened(root)
    assert resolve(fd, path) == expected
    os.close(fd)


def test_a_circle_of_links_is_refused(root: Path) -> None:
    (root / "etc").symlink_to("etc")
    fd = opened(root)
    with pytest.raises(UnusableRoot, match="circle"):
        resolve(fd, b"etc/hosts")
    os.close(fd)


def test_what_cannot_be_looked_at_is_neither_there_nor_missing(root: Path) -> None:
    fd = opened(root)
    with pytest.raises(OSError, match="File name too long"):
        resolve(fd, b"x" * 300)
    assert missing_mount_points(fd)
    with rlimits.open_files(3), pytest.raises(OSError, match="Too many open files"):
        missing_mount_points(fd)
    os.close(fd)


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("hosts", "too many levels of symbolic links"),
        ("a" * 300, "file name too long"),
        ("/".join(["a" * 200] * 15), "its links lead to a path that is too long"),
    ],
)
def test_a_mount_point_that_cannot_be_reached_is_named(root: Path, target: str, words: str) -> None:
    (root / "etc").mkdir()
    (root / "etc/hosts").symlink_to(target)
    fd = opened(root)
    with pytest.raises(UnusableRoot) as caught:
        missing_mount_points(fd)
    assert caught.value.message == f"/etc/hosts in the image cannot be reached: {words}"
    with pytest.raises(UnusableRoot) as caught:
        make_directory(fd, b"x" * 300, IdMap.identity())
    assert caught.value.message == f"the working directory '/{'x' * 99}…' has too long a name"
    os.close(fd)


def test_the_init_layer_keeps_what_is_there(root: Path, scratch: Path) -> None:
    etc = root / "etc"
    etc.mkdir()
    os.chown(etc, 500_000_007, 500_000_008)
    etc.chmod(0o1771)
    os.setxattr(etc, "user.k", b"\0v")
    acl = struct.pack("<I", 2) + b"".join(
        struct.pack("<HHI", *entry)
        for entry in (
            (1, 7, 2**32 - 1),
            (2, 4, 500_000_099),
            (4, 5, 2**32 - 1),
            (16, 7, 2**32 - 1),
            (32, 1, 2**32 - 1),
        )
    )
    os.setxattr(etc, "system.posix_acl_access", acl)
    os.utime(etc, ns=(5, -1_500_000_001))
    os.utime(root, ns=(5, 77))
    (root / "proc").mkdir()
    layer = scratch / "init"
    fd = opened(root)
    missing = missing_mount_points(fd)
    assert set(missing) == {b"sys", b"dev", b"etc/hosts", b"etc/hostname", b"etc/resolv.conf"}
    write_init_layer(layer, fd, missing, IDS)
    os.close(fd)
    for name in ("", "etc"):
        ours, theirs = (layer / name).stat(), (root / name).stat()
        assert ours.st_mode == theirs.st_mode
        assert (ours.st_uid, ours.st_gid) == (theirs.st_uid, theirs.st_gid)
        assert ours.st_mtime_ns == theirs.st_mtime_ns
    assert os.getxattr(layer / "etc", "user.k") == b"\0v"
    assert os.getxattr(layer / "etc", "system.posix_acl_access") == acl
    for name, kind in (("sys", stat.S_IFDIR), ("etc/hosts", stat.S_IFREG)):
        info = (layer / name).stat()
        assert stat.S_IFMT(info.st_mode) == kind
        assert (info.st_uid, info.st_gid) == (500_000_000, 500_000_000)


def test_a_dangling_resolv_conf_gets_its_target(root: Path, scratch: Path) -> None:
    """As on a Debian with systemd-resolved: /run is empty in an image."""
    (root / "etc").mkdir()
    (root / "etc/resolv.conf").symlink_to("../run/systemd/resolve/stub-resolv.conf")
    layer = scratch / "init"
    fd = opened(root)
    write_init_layer(layer, fd, missing_mount_points(fd), IDS)
    os.close(fd)
    assert (layer / "run/systemd/resolve/stub-resolv.conf").read_bytes() == b""
    assert not (layer / "etc/resolv.conf").exists()


def test_directories_are_made_below_the_root(root: Path) -> None:
    (root / "link").symlink_to("/target")
    (root / "file").touch()
    fd = opened(root)
    rootfs.make_directory(fd, b"/a/b/c", IDS)
    rootfs.make_directory(fd, b"/link/d", IDS)
    rootfs.make_directory(fd, b"/", IDS)
    with pytest.raises(UnusableRoot):
        rootfs.make_directory(fd, b"/file/x", IDS)
    os.close(fd)
    assert (root / "a/b/c").stat().st_uid == 500_000_000
    assert (root / "target/d").is_dir()


@pytest.mark.root
@pytest.mark.lxc
@pytest.mark.overlay
class TestHostileImages:
    def layers(self, machine: Machine, scratch: Path) -> tuple[Path, list[overlay.Lower]]:
        layer = scratch / "layer"
        layer.mkdir(mode=0o755)
        return layer, [overlay.Lower(layer, IdMap.identity()), machine.base]

    def whiteout(self, path: Path) -> None:
        os.mknod(path, stat.S_IFCHR, 0)

    def test_etc_is_a_link_out_of_the_root(
        self, machine: Machine, scratch: Path, tmp_path: Path
    ) -> None:
        outside = tmp_path / "outside"  # scratch may be below /dev, where a container has its own
        outside.mkdir()
        (outside / "hosts").write_text("the host's")
        layer, lowers = self.layers(machine, scratch)
        (layer / "etc").symlink_to(f"../../../../../..{outside}")
        result = machine.go(machine.create("sh", "-c", f"cat {outside}/hosts"), lowers=lowers)
        assert b"localhost" in result.out
        assert (outside / "hosts").read_text() == "the host's"
        assert sorted(os.listdir(outside)) == ["hosts"]

    @pytest.mark.parametrize("name", ["dev", "proc", "sys"])
    def test_a_link_where_lxc_mounts(self, machine: Machine, scratch: Path, name: str) -> None:
        layer, lowers = self.layers(machine, scratch)
        (layer / name).symlink_to("/tmp")
        with pytest.raises(StartFailed, match=f"/{name} in the image is a link") as caught:
            machine.go(machine.create("true"), lowers=lowers)
        assert caught.value.exit_code == 125

    @pytest.mark.parametrize("name", ["dev", "proc", "sys"])
    def test_a_file_where_a_directory_must_be(
        self, machine: Machine, scratch: Path, name: str
    ) -> None:
        layer, lowers = self.layers(machine, scratch)
        (layer / name).write_text("x")
        with pytest.raises(StartFailed, match=f"/{name} in the image is no directory") as caught:
            machine.go(machine.create("true"), lowers=lowers)
        assert caught.value.exit_code == 125

    def test_nothing_but_the_program(self, machine: Machine, scratch: Path) -> None:
        """An image as `FROM scratch` makes it: no /proc, no /etc."""
        layer, lowers = self.layers(machine, scratch)
        (layer / "bin").mkdir()
        (layer / "bin/busybox").write_bytes((machine.base.path / "bin/busybox").read_bytes())
        (layer / "bin/busybox").chmod(0o755)
        container = machine.create("/bin/busybox", "ls", "/", "/etc", "/dev/null", "/proc/self/exe")
        result = machine.go(container, lowers=lowers[:1])
        assert (result.code, result.err) == (0, b"")
        assert result.out.decode().split("\n\n") == [
            "/dev/null\n/proc/self/exe",
            "/:\nbin\ndev\netc\nproc\nsys",
            "/etc:\nhostname\nhosts\nresolv.conf\n",
        ]
        assert os.listdir(container.upper) == []
        assert machine.go(container, lowers=lowers[:1]).out == result.out
