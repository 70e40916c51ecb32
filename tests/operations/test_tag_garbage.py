"""Annotated tags: what of them is reached, for gc and for fsck."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lxgit.objects.ids import ObjectID, from_hex, hex_id
from lxgit.operations.branches import drop_branch
from lxgit.operations.garbage import unreached
from lxgit.operations.gc import gc
from lxgit.operations.importing import import_image
from lxgit.operations.tags import create_tag, delete_tag
from tests.operations.test_gc import who
from tests.support.stockgit import StockGit
from tests.support.stores import Listener, problems

if TYPE_CHECKING:
    from pathlib import Path

    from lxgit.repository import Repository


def take(repository: Repository, root: Path, name: str) -> ObjectID:
    root.mkdir(exist_ok=True)
    (root / "file").write_text(name)
    made = import_image(repository, root, name, identity=who(), progress=Listener())
    return from_hex(made.oid)


def tag(repository: Repository, name: str, revision: str, *, force: bool = False) -> ObjectID:
    """Make an annotated one; its id."""
    create_tag(repository, name, revision, message=revision, force=force, identity=who())
    made = repository.refs.read(f"refs/tags/{name}")
    assert made is not None
    return made


def test_now_means_what_only_one_had_that_is_gone(repository: Repository, scratch: Path) -> None:
    """It stayed, and the tag among what was deleted; so did what a moved one had been."""
    kept = take(repository, scratch / "root", "base")
    lost = take(repository, scratch / "root", "other")
    tags = [tag(repository, "deleted", "other"), tag(repository, "moved", "other")]
    stays = tag(repository, "stays", "base")
    tag(repository, "moved", "base", force=True)
    drop_branch(repository, "other", lost, who())
    delete_tag(repository, "deleted", identity=who())
    assert gc(repository, progress=Listener()).objects == 0
    foretold = gc(repository, now=True, dry_run=True, progress=Listener())
    done = gc(repository, now=True, progress=Listener())
    assert (done.objects, done.reflog_entries) == (foretold.objects, foretold.reflog_entries)
    assert [oid in repository.objects for oid in (lost, *tags)] == [False] * 3
    assert [oid in repository.objects for oid in (kept, stays)] == [True] * 2
    assert list(repository.refs.deleted()) == []
    assert problems(repository.path) == []


def test_what_a_name_still_has_is_told_of(repository: Repository, scratch: Path) -> None:
    """As with a plain tag: the commit is that of a branch."""
    take(repository, scratch / "root", "base")
    deleted = tag(repository, "deleted", "base")
    delete_tag(repository, "deleted", identity=who())
    assert gc(repository, now=True, progress=Listener()).objects == 0
    assert [one.oid for one in repository.refs.deleted()] == [deleted]


def test_what_cannot_be_told(repository: Repository, scratch: Path) -> None:
    """A tag without its commit is reached by nothing; one of no commit, no question for Git."""
    take(repository, scratch / "root", "base")
    git = StockGit(repository.git_dir)
    start = b"object %b\ntype commit\ntag t\ntagger a <a> 1 +0000\n\n" % (b"1" * 40)
    damaged = git.word("hash-object", "-t", "tag", "-w", "--stdin", "--literally", stdin=start)
    git("tag", "-a", "-m", "", "tree", "base^{tree}")
    tree = git.word("rev-parse", "tree")
    asked = {from_hex(damaged.encode()), from_hex(tree.encode()), from_hex(b"2" * 40)}
    left = unreached(repository, ["--all"], asked)
    assert {hex_id(oid) for oid in left} == {damaged, "2" * 40}


@pytest.mark.parametrize("annotated", [False, True])
def test_one_that_was_moved_by_hand_is_told_of(
    repository: Repository, scratch: Path, *, annotated: bool
) -> None:
    """It was no fault as long as it was an annotated one."""
    for name in ("base", "other"):
        take(repository, scratch / "root", name)
    create_tag(repository, "t", "base", message="m" if annotated else None, identity=who())
    before = repository.refs.read("refs/tags/t")
    assert before is not None
    other = tag(repository, "u", "other") if annotated else repository.revisions.resolve("other")
    (repository.git_dir / "refs/tags/t").write_text(f"{hex_id(other)}\n", "ascii")
    [told] = problems(repository.path)
    assert told.message.startswith(f"'t' is {hex_id(other)[:12]}, and its reflog says")
    back = hex_id(before)[:12]
    assert f"'lxgit tag -f t {back}'" in str(told.hint)
    create_tag(repository, "t", back, force=True, identity=who())
    assert repository.refs.read("refs/tags/t") == before
    assert problems(repository.path) == []


@pytest.mark.parametrize("what", ["base:rootfs", "base:config.json"])
def test_one_of_no_commit_that_was_deleted(
    repository: Repository, scratch: Path, what: str
) -> None:
    """Any tool may make such; what has it now is no ref that should name a commit."""
    take(repository, scratch / "root", "base")
    git = StockGit(repository.git_dir)
    git("tag", "odd", what)
    (problem,) = problems(repository.path)
    assert problem.affected == ("odd",)
    delete_tag(repository, "odd", identity=who())
    assert problems(repository.path) == []
    gc(repository, progress=Listener())
    assert problems(repository.path) == []
