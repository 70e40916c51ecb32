"""Stacks of layers: what overlayfs shows, with which owners, and that nothing is left behind."""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lxgit.errors import LxgitError
from lxgit.runtime import kernel, overlay, rundir
from lxgit.runtime.idmap import Extent, IdMap
from lxgit.runtime.materialise import MAX_DEPTH
from lxgit.runtime.overlay import CannotMount, Lower, Writable
from tests.support import leaks
from tests.support.mounts import mounted
from tests.support.rlimits import descriptors_of

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = [pytest.mark.root, pytest.mark.overlay]

IDENTITY = IdMap.identity()
FIRST = IdMap((Extent(0, 500_000_000, 65536),))
SECOND = IdMap((Extent(0, 600_000_000, 65536), Extent(4_000_000_000, 600_065_536, 1)))


def layer(scratch: Path, name: str, files: dict[str, tuple[str, int]], idmap: IdMap) -> Lower:
    path = scratch / name
    path.mkdir()
    for file, (content, owner) in files.items():
        (path / file).parent.mkdir(parents=True, exist_ok=True)
        (path / file).write_text(content)
        os.chown(path / file, idmap.outside(owner), idmap.outside(owner))
    return Lower(path, idmap)


def listing(root: int) -> dict[str, tuple[str, int]]:
    found = {}
    for directory, _, names in os.walk(f"/proc/self/fd/{root}"):
        for name in names:
            path = Path(directory, name)
            found[str(path.relative_to(f"/proc/self/fd/{root}"))] = (
                path.read_text(),
                path.stat().st_uid,
            )
    return found


@pytest.mark.parametrize("kernel_of", ["now", "Linux 6.1"])
def test_the_topmost_layer_wins_and_ids_are_the_images(
    scratch: Path, monkeypatch: pytest.MonkeyPatch, kernel_of: str
) -> None:
    if kernel_of != "now":
        monkeypatch.setattr(overlay, "takes_one_by_one", lambda: False)
    lowers = [
        layer(scratch, "top", {"a": ("new", 1000)}, FIRST),
        layer(scratch, "middle", {"d/b": ("b", 4_000_000_000)}, SECOND),
        layer(scratch, "base", {"a": ("old", 0), "c": ("c", 65535)}, IDENTITY),
    ]
    with mounted(lowers) as root:
        assert listing(root) == {"a": ("new", 1000), "d/b": ("b", 4_000_000_000), "c": ("c", 65535)}
    with mounted(lowers, SECOND) as root:
        assert listing(root) == {
            "a": ("new", 600_001_000),
            "d/b": ("b", 600_065_536),
            "c": ("c", 600_065_535),
        }


@pytest.mark.parametrize(
    ("release", "known"),
    [
        ("6.1.0-50-amd64", False),
        ("6.6.36.3-microsoft-standard-WSL2", False),
        ("6.7.0", True),
        ("6.12.48+deb13-amd64", True),
        ("10.0-rc1", True),
    ],
)
def test_which_kernels_take_a_layer_an_option(
    monkeypatch: pytest.MonkeyPatch, release: str, known: bool
) -> None:
    monkeypatch.setattr(os, "uname", lambda: os.uname_result(("Linux", "x", release, "", "")))
    overlay.takes_one_by_one.cache_clear()
    try:
        assert overlay.takes_one_by_one() is known
    finally:
        overlay.takes_one_by_one.cache_clear()


def test_before_linux_6_7_a_stack_of_all_deltas_fits_in_one_option(
    scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(overlay, "takes_one_by_one", lambda: False)
    names = [f"layer {number}" for number in range(MAX_DEPTH + 2)]
    lowers = [layer(scratch, name, {name: ("x", 0)}, IDENTITY) for name in names]
    with mounted(lowers, FIRST) as root:
        assert set(listing(root)) == set(names)


def test_one_layer_alone_mounts_and_is_read_only(scratch: Path) -> None:
    with mounted([layer(scratch, "base", {"a": ("x", 7)}, FIRST)]) as root:
        assert listing(root) == {"a": ("x", 7)}
        with pytest.raises(OSError, match="Read-only"):
            os.open("new", os.O_CREAT | os.O_WRONLY, dir_fd=root)


def test_an_id_that_the_container_has_no_place_for_shows_as_nobody(scratch: Path) -> None:
    with mounted([layer(scratch, "base", {"a": ("x", 70_000)}, IDENTITY)], FIRST) as root:
        assert listing(root) == {"a": ("x", 65534)}


def test_whiteouts_and_opaque_directories(scratch: Path) -> None:
    base = layer(scratch, "base", {"gone": ("x", 0), "d/old": ("x", 0)}, IDENTITY)
    top = layer(scratch, "top", {"d/new": ("y", 0)}, IDENTITY)
    os.mknod(top.path / "gone", 0o020000, 0)
    os.setxattr(top.path / "d", "trusted.overlay.opaque", b"y")
    with mounted([top, base]) as root:
        assert listing(root) == {"d/new": ("y", 0)}


def test_a_redirect_in_a_layer_leads_nowhere(scratch: Path) -> None:
    base = layer(scratch, "base", {"secret/key": ("s", 0)}, IDENTITY)
    top = layer(scratch, "top", {"public/x": ("x", 0)}, IDENTITY)
    os.setxattr(top.path / "public", "trusted.overlay.redirect", b"/secret")
    with mounted([top, base]) as root:
        assert "public/key" not in listing(root)


def test_500_layers_and_not_one_more(scratch: Path) -> None:
    lowers = [layer(scratch, f"l{n}", {f"f{n}": (str(n), n)}, FIRST) for n in range(501)]
    with mounted(lowers[:500]) as root:
        assert len(listing(root)) == 500
    with pytest.raises(CannotMount, match="501 layers"), mounted(lowers):
        pass


def mounts() -> set[str]:
    """Those of lxgit, but for base layers, which others share."""
    ours, shared = f" on {rundir.RUN}/", f" on {rundir.BASES}/"
    return {mount for mount in leaks.mounts() if ours in mount and shared not in mount}


def test_nothing_stays_mounted(scratch: Path) -> None:
    before, files = mounts(), descriptors_of(os.getpid())  # some garbage, which goes meanwhile
    with mounted([layer(scratch, "base", {"a": ("x", 0)}, IDENTITY)], FIRST):
        assert mounts() == before
    assert mounts() == before
    assert descriptors_of(os.getpid()) <= files


def test_a_missing_layer_is_a_fault_in_words(scratch: Path) -> None:
    with (
        pytest.raises(CannotMount, match="No such file"),
        mounted([Lower(scratch / "x", IDENTITY)]),
    ):
        pass


def in_stage(work: Callable[[], bytes]) -> bytes:
    """Run `work` in a child with private mounts; what it returns."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            rundir.prepare()
            rundir.enter_stage()
            os.write(write, work())
        except (OSError, LxgitError) as error:
            os.write(write, repr(error).encode())
        finally:
            os._exit(0)
    os.close(write)
    with open(read, "rb") as stream:
        result = stream.read()
    os.waitpid(child, 0)
    return result


def writable(scratch: Path, idmap: IdMap) -> Writable:
    pair = Writable(scratch / "upper", scratch / "work")
    for path in (pair.upper, pair.work):
        path.mkdir(mode=0o755)
        os.chown(path, idmap.outside(0), idmap.outside(0))
    return pair


def stacked(base: Lower, pair: Writable, name: str) -> int:
    """A writable mount of one layer, its pieces below a directory of that name in the stage."""
    staging = rundir.STAGE / name
    staging.mkdir()
    lowers = overlay.attach_lowers([base], staging, FIRST)
    return overlay.stack(lowers, overlay.attach_writable(pair, staging))


def test_writes_go_to_the_upper_directory_as_the_containers_ids(scratch: Path) -> None:
    base = layer(scratch, "base", {"a": ("x", 1000)}, IDENTITY)
    capability = struct.pack("<6I", 0x0300_0001, 1 << 13, 0, 0, 0, FIRST.outside(0))
    os.setxattr(base.path / "a", "user.k", b"v")
    pair = writable(scratch, FIRST)

    def write() -> bytes:
        mount = stacked(base, pair, "stack")
        (rundir.STAGE / "root").mkdir()
        kernel.move_mount(mount, rundir.STAGE / "root")
        root = rundir.STAGE / "root"
        with (root / "a").open("a") as stream:
            stream.write("y")
        os.setxattr(root / "a", "security.capability", capability)
        (root / "b").write_text("new")
        return b"done"

    assert in_stage(write) == b"done"
    assert (pair.upper / "a").read_text() == "xy"
    assert (pair.upper / "a").stat().st_uid == FIRST.outside(1000)
    assert os.getxattr(pair.upper / "a", "user.k") == b"v"
    assert os.getxattr(pair.upper / "a", "security.capability") == capability
    assert (base.path / "a").read_text() == "x"
    assert sorted(os.listdir(pair.upper)) == ["a", "b"]


def test_a_silent_fall_back_to_read_only_is_refused(scratch: Path) -> None:
    """An upper directory that overlayfs cannot use: on another overlay."""
    base = layer(scratch, "base", {"a": ("x", 0)}, IDENTITY)
    pair = writable(scratch, FIRST)

    def nested() -> bytes:
        (rundir.STAGE / "root").mkdir()
        kernel.move_mount(stacked(base, pair, "outer"), rundir.STAGE / "root")
        stacked(base, writable(rundir.STAGE / "root", FIRST), "inner")
        return b"mounted"

    assert b"CannotMount" in in_stage(nested)
