"""Import, mount, export, import again: one tree, whatever it holds."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from lxgit.beneath import remove_tree
from lxgit.operations.exporting import export_image
from lxgit.operations.importing import import_image
from lxgit.operations.lookup import find_commit, read_commit
from lxgit.repository import Repository, create_repository
from lxgit.runtime.layers import LayerStore
from lxgit.runtime.materialise import Materialiser
from tests.support import awkward
from tests.support.builder import acl
from tests.support.compare import assert_same_tree
from tests.support.mounts import shown
from tests.support.stores import WHO, Listener, find_image, stock_fsck

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.root, pytest.mark.overlay]


@pytest.fixture(scope="module")
def source(module_directory: Path) -> Path:
    """The awkward root filesystem."""
    root = module_directory / "awkward"
    awkward.build(root, linked_nodes=False)
    return root


def tree_of(repository: Repository, name: str) -> str:
    return read_commit(repository, find_commit(repository, name)).tree.hex()


def tar(root: Path, archive: Path, *options: str) -> Path:
    command = [
        "tar",
        "--xattrs",
        "--xattrs-include=*",
        "--acls",
        "--numeric-owner",
        "-C",
        str(root),
    ]
    subprocess.run([*command, *options, "-cf", str(archive), "."], check=True)
    return archive


def untar(archive: Path, root: Path) -> Path:
    root.mkdir()
    command = [
        "tar",
        "--xattrs",
        "--xattrs-include=*",
        "--acls",
        "--numeric-owner",
        "-C",
        str(root),
    ]
    done = subprocess.run([*command, "-xpf", str(archive)], check=False, capture_output=True)
    assert done.returncode == 0, done.stderr
    return root


def take(repository: Repository, source: Path, name: str) -> list[str]:
    listener = Listener()
    import_image(repository, source, name, identity=WHO, progress=listener)
    return listener.warnings


def export(repository: Repository, name: str, to: Path) -> Path:
    with to.open("wb") as file:
        export_image(repository, name, file, progress=Listener())
    return to


def test_every_way_through_keeps_everything(source: Path, store_dir: Path, scratch: Path) -> None:
    repository = create_repository(store_dir)
    assert take(repository, source, "directory") == []
    archive = tar(source, scratch / "source.tar", "--format=posix", "--sparse")
    assert take(repository, archive, "archive") == []
    exported = export(repository, "directory", scratch / "exported.tar")
    assert take(repository, exported, "exported") == []
    extracted = untar(exported, scratch / "extracted")
    assert_same_tree(source, extracted)
    assert take(repository, extracted, "again") == []
    trees = {tree_of(repository, name) for name in ("directory", "archive", "exported", "again")}
    assert len(trees) == 1
    assert stock_fsck(repository) == ""


@pytest.mark.scale
@pytest.mark.parametrize("drop_layers", [False, True])
def test_a_mount_shows_the_source(
    source: Path, store_dir: Path, scratch: Path, drop_layers: bool
) -> None:
    """From the layer that import wrote, and from one made of Git alone."""
    repository = create_repository(store_dir)
    take(repository, source, "base")
    if drop_layers:
        remove_tree(repository.layers_dir)
    stack = Materialiser(repository, Listener()).stack(find_image(repository, "base"))
    with shown(stack, scratch) as root:
        assert_same_tree(source, root)


@pytest.mark.scale
def test_a_delta_brings_every_entry(store_dir: Path, scratch: Path) -> None:
    """Where there was next to nothing, or a file in the place of a directory."""
    repository = create_repository(store_dir)
    other, both = scratch / "other", scratch / "both"
    other.mkdir()
    (other / "names").write_text("a file where a directory comes")
    awkward.build(both)
    (other / "many").mkdir()
    for number in range(9000):
        (other / "many" / str(number)).touch()
    subprocess.run(["cp", "-a", other / "many", both], check=True)
    take(repository, other, "other")
    take(repository, both, "base")
    layers = LayerStore(repository.layers_dir)
    found = layers.find(find_image(repository, "base").filesystem)
    assert found is not None
    layers.remove(found.top.id)
    stack = Materialiser(repository, Listener()).stack(find_image(repository, "base"))
    assert len(stack.layers) == 2
    with shown(stack, scratch) as root:
        assert_same_tree(both, root)
        take(repository, root, "reimport")
    assert tree_of(repository, "reimport") == tree_of(repository, "base")


@pytest.mark.parametrize("users", [(5, 7), (7, 5), (5, 5)])
def test_acls_as_the_kernel_takes_them(
    store_dir: Path, scratch: Path, users: tuple[int, int]
) -> None:
    """It keeps the order of the users, and one that is there twice."""
    rows = [("user", None, 6), *(("USER", number, 4) for number in users)]
    value = acl([*rows, ("group", None, 4), ("mask", None, 4), ("other", None, 0)])
    (scratch / "root").mkdir()
    (scratch / "root/file").touch()
    os.setxattr(scratch / "root/file", "system.posix_acl_access", value)
    repository = create_repository(store_dir)
    take(repository, scratch / "root", "directory")
    exported = export(repository, "directory", scratch / "exported.tar")
    take(repository, exported, "exported")
    assert tree_of(repository, "exported") == tree_of(repository, "directory")


def test_sockets_are_counted_and_dropped(store_dir: Path, scratch: Path) -> None:
    repository = create_repository(store_dir)
    root = scratch / "root"
    awkward.build(root)
    sockets = awkward.add_sockets(root)
    (warning,) = take(repository, root, "base")
    assert warning.startswith(f"left out {len(sockets)} sockets")
    assert not any(path in sockets for path, _ in find_image(repository, "base").walk())


@pytest.mark.slow
@pytest.mark.scale
@pytest.mark.timeout(0)
def test_a_huge_file_passes_through(store_dir: Path, scratch: Path) -> None:
    """Of more bytes than 32 bits count."""
    repository = create_repository(store_dir)
    root = scratch / "root"
    awkward.build_huge(root, 5 << 30)
    take(repository, root, "base")
    exported = export(repository, "base", scratch / "exported.tar")
    take(repository, exported, "again")
    assert tree_of(repository, "again") == tree_of(repository, "base")
    stack = Materialiser(repository, Listener()).stack(find_image(repository, "base"))
    with shown(stack, scratch) as mount:
        assert_same_tree(root, mount)


@pytest.mark.parametrize(
    "command",
    [["gzip"], ["bzip2"], ["xz", "-0"], ["zstd", "-q"]],
    ids=lambda command: command[0],
)
def test_compressed_archives(
    busybox_tar: Path, store_dir: Path, scratch: Path, command: list[str]
) -> None:
    repository = create_repository(store_dir)
    take(repository, busybox_tar, "plain")
    packed = scratch / "packed"
    with busybox_tar.open("rb") as source, packed.open("wb") as target:
        subprocess.run([*command, "-c"], stdin=source, stdout=target, check=True)
    take(repository, packed, "packed")
    with subprocess.Popen(["cat", str(packed)], stdout=subprocess.PIPE) as cat:
        assert cat.stdout is not None
        import_image(repository, cat.stdout, "piped", identity=WHO, progress=Listener())
    assert len({tree_of(repository, name) for name in ("plain", "packed", "piped")}) == 1
