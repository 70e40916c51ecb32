"""Images with attributes that a former version recorded and that Linux has not: they work.

They are shown without them, whatever the form of a layer, and nothing has changed.
"""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from lxgit.beneath import remove_tree
from lxgit.objects import metadata
from lxgit.objects.acl import ACCESS, after_chmod
from lxgit.objects.commits import Commit, encode_commit
from lxgit.objects.diff import diff_images
from lxgit.objects.ids import ObjectID, ObjectType, hex_id
from lxgit.objects.names import META_NAME
from lxgit.objects.pathhistory import walk_changing
from lxgit.objects.tree import decode_tree, encode_tree
from lxgit.objects.xattrs import CAPABILITY
from lxgit.operations.changed import status
from lxgit.operations.fsck import fsck
from lxgit.operations.fsckcache import layer_problems
from lxgit.operations.lookup import find_commit, read_commit
from lxgit.runtime.bases import TAR
from lxgit.runtime.materialise import Materialiser
from tests.support import forms
from tests.support.builder import acl
from tests.support.stores import WHO, Listener, find_image

if TYPE_CHECKING:
    from collections.abc import Callable

    from lxgit.objects.image import Image
    from lxgit.objects.packwriter import PackWriter
    from lxgit.runtime.layers import Layer
    from tests.operations.conftest import Lab

pytestmark = [pytest.mark.root, pytest.mark.overlay, pytest.mark.lxc]

RIGHTS = b"%00%04%00%00%00%00%00%00"
FULL, HALF = (
    acl([("user", own, 6), ("USER", 5, 7), ("group", own, 4), ("mask", own, 7), ("other", own, 4)])
    for own in (None, 8)
)
THREE = acl([("user", None, 6), ("group", None, 6), ("other", None, 4)])


def access(value: bytes) -> bytes:
    return b"x:system.posix_acl_access=" + b"".join(b"%%%02X" % byte for byte in value)


RECORDED = {
    b".": b"x:com.apple.provenance=1",
    b"group": b"x:security.capability=%01%00%00%03" + RIGHTS + b"%00" * 12 + b"," + access(FULL),
    b"hostname": b"x:security.capability=%01%01%00%02" + RIGHTS + b"%00" * 8,
    b"hosts": b"x:security.capability=zz",
    b"motd": b"x:system.nfs4_acl=1," + access(THREE),
    b"passwd": b"x:com.apple.provenance=1," + access(HALF) + b",x:user.kept=yes",
    b"profile": b"x:security.capability=%01%00%00%01" + RIGHTS,
}
"""What stands in the `%meta` of /etc, by name."""
REVISION_2 = b"\1\0\0\2\0\4" + bytes(14)


def replaced(
    lab: Lab,
    writer: PackWriter,
    tree: ObjectID,
    name: bytes,
    change: Callable[[ObjectID], ObjectID],
) -> ObjectID:
    """A tree with one entry changed."""
    entries = [
        one._replace(oid=change(one.oid)) if one.name == name else one
        for one in decode_tree(lab.repository.objects.tree(tree))
    ]
    return writer.add(ObjectType.TREE, encode_tree(entries))


def recorded(line: bytes) -> bytes:
    stamp, attributes, name = line.split(b" ", 2)
    if name not in RECORDED:
        return line
    return b" ".join((stamp, RECORDED[name] if attributes == b"-" else attributes, name))


@pytest.fixture
def image(lab: Lab) -> Image:
    """An image that a former version made, on `former`; there are no layers."""
    repository = lab.repository
    top = read_commit(repository, find_commit(repository, "base")).tree
    with repository.objects.writer() as writer:

        def meta(oid: ObjectID) -> ObjectID:
            lines = repository.objects.blob(oid).split(b"\n")
            return writer.add(ObjectType.BLOB, b"\n".join(recorded(x) if x else x for x in lines))

        def etc(oid: ObjectID) -> ObjectID:
            return replaced(lab, writer, oid, META_NAME, meta)

        def rootfs(oid: ObjectID) -> ObjectID:
            return replaced(lab, writer, oid, b"etc", etc)

        tree = replaced(lab, writer, top, b"rootfs", rootfs)
        commit = Commit(tree, (), WHO.author, WHO.committer, "former\n")
        oid = writer.add(ObjectType.COMMIT, encode_commit(commit))
        with writer.finish():
            repository.refs.update(
                "refs/heads/former", oid, old=None, message="", who=WHO.committer
            )
    remove_tree(repository.layers_dir)  # or it is shown over what `base` has
    return find_image(repository, "former")


def attributes(image: Image) -> dict[bytes, dict[bytes, bytes]]:
    return {
        path: dict(entry.metadata.xattrs) for path, entry in image.walk() if entry.metadata.xattrs
    }


SHOWN = {
    b"etc/group": {CAPABILITY: REVISION_2, ACCESS: FULL},
    b"etc/hostname": {CAPABILITY: REVISION_2},
    b"etc/passwd": {ACCESS: FULL, b"user.kept": b"yes"},
    b"etc/profile": {CAPABILITY: REVISION_2},
}


MODES = {b"etc/group": 0o674, b"etc/hosts": 0o644, b"etc/motd": 0o664, b"etc/passwd": 0o674}
"""An ACL decides about the mode, whatever is recorded."""


def modes(image: Image) -> dict[bytes, int]:
    return {path: entry.metadata.mode for path, entry in image.walk() if path in MODES}


def layer_of(lab: Lab, image: Image) -> Layer:
    return Materialiser(lab.repository, Listener()).stack(image).top


@pytest.mark.parametrize("form", forms.FORMS)
def test_containers_of_it(
    lab: Lab, image: Image, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    forms.force(monkeypatch, form)
    assert attributes(image) == SHOWN
    assert modes(image) == MODES
    listed = "stat -c '%a' /etc/group /etc/motd /etc/passwd"
    assert lab.run("seen", listed, "former") == (0, "674\n664\n674\n")
    assert list(fsck(lab.repository, progress=Listener())) == []
    assert lab.run("work", "chmod 700 /etc/*; chmod 600 /etc/motd", "former") == (0, "")
    (work,) = status(lab.repository, "work").containers
    before = {sized.change.path for sized in work.changes}
    assert b"etc" not in before
    assert b"etc/motd" in before
    lab.commit("work")
    new = find_image(lab.repository, "former")
    assert attributes(new) == {
        path: dict(after_chmod(0o700, tuple(shown.items()))) for path, shown in SHOWN.items()
    }
    assert {change.path for change in diff_images(image, new) if change.listed} == before
    assert list(fsck(lab.repository, progress=Listener())) == []


def test_nothing_else_has_changed(lab: Lab, image: Image) -> None:
    """A commit writes the directory anew, and what it does not show differs in nothing."""
    lab.run("work", "echo new > /etc/new", "former")
    lab.commit("work")
    new = find_image(lab.repository, "former")
    assert attributes(new) == SHOWN
    changes = [change.path for change in diff_images(image, new) if change.listed]
    assert changes == [b"etc/new"]


@pytest.mark.erofs
def test_a_layer_that_a_former_version_made(
    lab: Lab, image: Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It shows what is passed over now, so it is dropped, and made anew."""
    forms.force(monkeypatch, forms.FILE)
    with monkeypatch.context() as former:
        former.setattr(metadata, "_as_linux_has", lambda _, mode, xattrs: (mode, xattrs))
        layer = layer_of(lab, image)
    assert b"com.apple.provenance" in (layer.path / TAR).read_bytes()
    (problem,) = layer_problems(lab.repository, Listener(), repair=True)
    assert problem.repaired
    anew = layer_of(lab, image)
    assert b"com.apple.provenance" not in (anew.path / TAR).read_bytes()


@pytest.mark.erofs
def test_a_layer_outlives_what_it_shows(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where Git has lost a file, repairing does not take the only copy with it."""
    forms.force(monkeypatch, forms.FILE)
    remove_tree(lab.repository.layers_dir)
    image = find_image(lab.repository, "base")
    layer = layer_of(lab, image)
    lost = image.entry(b"etc/passwd")
    assert lost is not None
    assert lost.oid is not None
    objects = lab.repository.git_dir / "objects"
    lab.repository.objects.close()
    for pack in (objects / "pack").glob("*.pack"):
        data = pack.read_bytes()
        for part in pack.parent.glob(f"{pack.stem}.*"):
            part.unlink()
        unpack = ["git", "--git-dir", str(lab.repository.git_dir), "unpack-objects", "-q"]
        subprocess.run(unpack, input=data, check=True)
    name = hex_id(lost.oid)
    loose = objects / name[:2] / name[2:]
    data = loose.read_bytes()
    loose.unlink()
    try:
        (problem,) = layer_problems(lab.repository, Listener(), repair=True)
        assert "cannot be compared" in problem.message
        assert not problem.repaired
        assert layer.path.exists()
    finally:
        loose.write_bytes(data)


def test_no_path_has_changed_by_a_sibling(lab: Lab, image: Image) -> None:
    """A line that is written anew without what is passed over is no change of its file."""
    assert attributes(image) == SHOWN
    lab.run("work", "echo new > /etc/new", "former")
    lab.commit("work")
    git = lab.repository.git
    counts = {
        path: len(list(walk_changing(git, ["former"], [path])))
        for path in (b"etc/new", b"etc/group", b"etc/motd", b"etc/passwd", b"etc/profile")
    }
    assert set(counts.values()) == {1}
