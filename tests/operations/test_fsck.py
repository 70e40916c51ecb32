"""Damage of every kind, put into a store by hand: fsck finds it, and says whom it harms."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest

from lxgit.objects.commits import Commit, encode_commit
from lxgit.objects.ids import ObjectID, ObjectType, from_hex, hex_id
from lxgit.objects.tree import MODE_FILE, MODE_SYMLINK, MODE_TREE, TreeEntry, encode_tree
from lxgit.operations.branches import rename_branch
from lxgit.operations.creating import RunRequest
from lxgit.operations.fsck import fsck
from lxgit.operations.gc import gc
from lxgit.operations.importing import import_image
from lxgit.operations.launching import created
from lxgit.operations.lookup import find_commit
from lxgit.repository import Repository, create_repository
from tests.support.stockgit import StockGit
from tests.support.stores import WHO, Listener, find_image

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lxgit.objects.packwriter import PackWriter
    from lxgit.operations.values import Problem

CONFIG = b'{\n  "os": "linux"\n}\n'


@pytest.fixture
def repository(store_dir: Path, scratch: Path) -> Repository:
    """A store with one small sound image."""
    root = scratch / "root"
    (root / "etc").mkdir(parents=True)
    (root / "etc" / "hosts").write_text("127.0.0.1 localhost\n")
    os.link(root / "etc" / "hosts", root / "etc" / "linked")
    (root / "link").symlink_to("etc/hosts")
    made = create_repository(store_dir)
    import_image(made, root, "base", identity=WHO, progress=Listener())
    return made


def problems(repository: Repository) -> list[Problem]:
    repository.objects.close()
    return list(fsck(repository, progress=Listener()))


def test_a_sound_store(repository: Repository) -> None:
    assert problems(repository) == []


def test_names_that_stock_git_has_given_to_two(repository: Repository) -> None:
    """A command would take the name for either, without a word."""
    git = StockGit(repository.git_dir)
    git("tag", "base", "base")
    (found,) = problems(repository)
    assert (found.message, found.affected) == ("'base' is a branch and a tag", ("base",))
    assert found.hint == "'lxgit branch -m base OTHER' gives the branch another name"
    rename_branch(repository, "base", "other", force=False, identity=WHO)
    assert problems(repository) == []


@pytest.mark.root
@pytest.mark.overlay
@pytest.mark.lxc
@pytest.mark.parametrize("kind", ["branch", "tag"])
def test_a_name_of_a_container_that_stock_git_has_given_again(
    repository: Repository, kind: str
) -> None:
    with created(
        repository, RunRequest("base", ("true",), name="web"), identity=WHO, progress=Listener()
    ):
        pass
    StockGit(repository.git_dir)(kind, "web", "base")
    (found,) = problems(repository)
    assert found.message == f"'web' is a {kind} and a container"


class Craft:
    """An image made by hand, part by part."""

    def __init__(self, writer: PackWriter) -> None:
        self.writer = writer

    def blob(self, data: bytes) -> ObjectID:
        return self.writer.add(ObjectType.BLOB, data)

    def tree(self, *entries: TreeEntry) -> ObjectID:
        return self.writer.add(ObjectType.TREE, encode_tree(entries))

    def rootfs(self, meta: bytes, *entries: TreeEntry) -> ObjectID:
        return self.tree(TreeEntry(MODE_FILE, b"%meta", self.blob(meta)), *entries)

    def file(self, name: bytes, data: bytes = b"x") -> TreeEntry:
        return TreeEntry(MODE_FILE, name, self.blob(data))

    def image(
        self,
        rootfs: ObjectID,
        *,
        links: bytes = b"",
        version: bytes = b"lxgit 1\n",
        config: bytes = CONFIG,
    ) -> ObjectID:
        return self.tree(
            TreeEntry(MODE_FILE, b"config.json", self.blob(config)),
            TreeEntry(MODE_FILE, b"format", self.blob(version)),
            TreeEntry(MODE_FILE, b"links", self.blob(links)),
            TreeEntry(MODE_TREE, b"rootfs", rootfs),
        )


def deep(craft: Craft) -> ObjectID:
    """A fault below sound directories."""
    below = craft.rootfs(b"0 - .\n0 - ghost\n")
    return craft.image(craft.rootfs(b"0 - .\n", TreeEntry(MODE_TREE, b"below", below)))


FAULTS: dict[str, tuple[Callable[[Craft], ObjectID], str]] = {
    "a line without a file": (lambda c: c.image(c.rootfs(b"0 - .\n0 - a\n")), "no tree entry"),
    "a file without a line": (lambda c: c.image(c.rootfs(b"0 - .\n", c.file(b"a"))), "no line"),
    "no %meta": (lambda c: c.image(c.tree(c.file(b"a"))), "no %meta"),
    "an empty %meta": (lambda c: c.image(c.rootfs(b"")), "own line is missing"),
    "lines out of order": (
        lambda c: c.image(c.rootfs(b"0 - .\n0 - b\n0 - a\n", c.file(b"a"), c.file(b"b"))),
        "not in order",
    ),
    "a default stated": (lambda c: c.image(c.rootfs(b"0 m=755 .\n")), "default mode"),
    "a device with an entry": (
        lambda c: c.image(c.rootfs(b"0 - .\n0 t=c:1:3 a\n", c.file(b"a"))),
        "no line of its own",
    ),
    "a name that is not stored so": (
        lambda c: c.image(c.rootfs(b"0 - .\n0 - %41\n", c.file(b"%41"))),
        "not a stored file name",
    ),
    "a symlink to nothing": (
        lambda c: c.image(c.rootfs(b"0 - .\n0 - a\n", TreeEntry(MODE_SYMLINK, b"a", c.blob(b"")))),
        "no possible target",
    ),
    "deep below": (deep, "directory /below"),
    "a link to nothing": (
        lambda c: c.image(c.rootfs(b"0 - .\n0 - a\n", c.file(b"a")), links=b"a\tb\n"),
        "not one inode",
    ),
    "links that differ": (
        lambda c: c.image(
            c.rootfs(b"0 - .\n0 - a\n1 - b\n", c.file(b"a"), c.file(b"b")), links=b"a\tb\n"
        ),
        "not one inode",
    ),
    "links out of order": (
        lambda c: c.image(
            c.rootfs(b"0 - .\n0 - a\n0 - b\n", c.file(b"a"), c.file(b"b")), links=b"b\ta\n"
        ),
        "links is not canonical",
    ),
    "a config that is no JSON": (lambda c: c.image(c.rootfs(b"0 - .\n"), config=b"{"), "not JSON"),
    "another format": (lambda c: c.image(c.rootfs(b"0 - .\n"), version=b"lxgit 2\n"), "format 2"),
    "nonsense as format": (lambda c: c.image(c.rootfs(b"0 - .\n"), version=b"x"), "unknown format"),
    "no image at all": (lambda c: c.tree(c.file(b"a")), "no image"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_an_image_that_lxgit_would_not_write(repository: Repository, fault: str) -> None:
    make, told = FAULTS[fault]
    with repository.objects.writer() as writer:
        tree = make(Craft(writer))
        commit = Commit(tree, (), WHO.author, WHO.committer, "crafted\n")
        oid = writer.add(ObjectType.COMMIT, encode_commit(commit))
        with writer.finish():
            repository.refs.update("refs/tags/bad", oid, old=None, message="", who=WHO.committer)
    (problem,) = problems(repository)
    assert told in problem.message
    assert problem.affected == ("bad",)


def test_links_of_another_image(repository: Repository) -> None:
    """Each of both has been found good before, with what is its own."""
    with repository.objects.writer() as writer:
        craft = Craft(writer)
        one = craft.rootfs(b"0 - .\n0 - a\n0 - b\n", craft.file(b"a"), craft.file(b"b"))
        other = craft.rootfs(b"0 - .\n0 - a\n1 - b\n", craft.file(b"a"), craft.file(b"b"))
        images = {
            "1": craft.image(one, links=b"a\tb\n"),
            "2": craft.image(other),
            "3": craft.image(other, links=b"a\tb\n"),
        }
        who = WHO.committer
        ids = {
            name: writer.add(
                ObjectType.COMMIT, encode_commit(Commit(tree, (), who, who, "crafted\n"))
            )
            for name, tree in images.items()
        }
        with writer.finish():
            for name, oid in ids.items():
                repository.refs.update(f"refs/tags/{name}", oid, old=None, message="", who=who)
    (problem,) = problems(repository)
    assert problem.message.endswith("links: these are not one inode: a b")
    assert problem.affected == ("3",)


def packs(repository: Repository, suffix: str) -> list[Path]:
    return sorted((repository.git_dir / "objects" / "pack").glob(f"*{suffix}"))


def test_a_flipped_byte_in_a_pack(repository: Repository) -> None:
    pack = max(packs(repository, ".pack"), key=lambda path: path.stat().st_size)
    pack.chmod(0o600)
    data = bytearray(pack.read_bytes())
    data[len(data) // 2] ^= 0x40
    pack.write_bytes(data)
    assert problems(repository)


def test_a_missing_object(repository: Repository) -> None:
    entry = find_image(repository, "base").entry(b"etc/hosts")
    assert entry is not None
    assert entry.oid is not None
    pack = max(packs(repository, ".pack"), key=lambda path: path.stat().st_size)
    unpacked = pack.read_bytes()
    for suffix in (".pack", ".idx"):
        pack.with_suffix(suffix).unlink()
    repository.git.run(["unpack-objects", "-q"], stdin=unpacked)
    name = entry.oid.hex()
    (repository.git_dir / "objects" / name[:2] / name[2:]).unlink()
    found = problems(repository)
    assert any(name in problem.message for problem in found)
    assert any("base" in problem.affected for problem in found)


def test_a_ref_to_nothing(repository: Repository) -> None:
    (repository.git_dir / "refs" / "heads" / "broken").write_text("1" * 40 + "\n")
    assert any("refs/heads/broken" in problem.message for problem in problems(repository))


def test_a_ref_that_is_none(repository: Repository) -> None:
    (repository.git_dir / "refs" / "heads" / "broken").write_text("nonsense\n")
    assert problems(repository)
    assert find_commit(repository, "base")


def test_notes_of_stock_git_are_no_images(repository: Repository) -> None:
    """They are a user's own: fsck passes over them, and gc keeps them."""
    git = StockGit(repository.git_dir)
    git("notes", "add", "-m", "tried", "base")
    git("notes", "append", "-m", "and trusted", "base")
    git("notes", "--ref=review", "add", "-m", "fine", "base")
    assert problems(repository) == []
    for _ in range(2):
        gc(repository, now=True, progress=Listener())
    assert problems(repository) == []
    assert git("notes", "show", "base") == b"tried\n\nand trusted\n"
    assert git("notes", "--ref=review", "show", "base") == b"fine\n"
    (repository.git_dir / "refs/notes/review").write_text("1" * 40 + "\n")
    assert any("refs/notes/review" in problem.message for problem in problems(repository))


@pytest.mark.parametrize("way", ["TXST", "AXST", "ST"])
@pytest.mark.parametrize("by", ["lxgit", "Git"])
def test_a_branch_some_of_whose_entries_have_expired(
    repository: Repository, by: str, way: str
) -> None:
    """All but A come of A; another branch has X, and nothing has S. Git may take the last entry."""
    git = StockGit(repository.git_dir)
    base = hex_id(find_commit(repository, "base"))
    made = {name: git.commit(name, base, tree=f"{base}^{{tree}}") for name in "TXS"} | {"A": base}
    ids = {name: from_hex(oid.encode()) for name, oid in made.items()}
    refs, before = repository.refs, None
    who = WHO.committer._replace(time=int(time.time()))
    refs.update("refs/heads/other", ids["X"], old=None, message="made", who=who)
    for name in way:
        refs.update("refs/heads/work", ids[name], old=before, message=name, who=who)
        before = ids[name]
    assert problems(repository) == []
    if by == "Git":
        git("reflog", "expire", "--expire-unreachable=now", "--all")
    else:
        repository.objects.close()
        gc(repository, now=True, progress=Listener())
        assert refs.reflog("refs/heads/work")[0].new == before
    assert len(refs.reflog("refs/heads/work")) < len(way)
    assert problems(repository) == []


def test_a_branch_set_back_from_what_lacks_a_parent(repository: Repository) -> None:
    """Git cannot say what the branch reaches of it: that it was set back is told all the same."""
    git = StockGit(repository.git_dir)
    base = find_commit(repository, "base")
    tree = f"{hex_id(base)}^{{tree}}"
    missing = git.commit("missing", hex_id(base), tree=tree)
    last = from_hex(git.commit("last", missing, tree=tree).encode())
    repository.refs.update("refs/heads/work", last, old=None, message="", who=WHO.committer)
    (repository.git_dir / "refs/heads/work").write_text(f"{hex_id(base)}\n")
    (repository.git_dir / "objects" / missing[:2] / missing[2:]).unlink()
    told = f"'work' is {hex_id(base)[:12]}, and its reflog says {hex_id(last)[:12]}"
    assert told in [problem.message for problem in problems(repository)]
