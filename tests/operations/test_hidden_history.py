"""Files that hide history from Git: nothing is deleted for what Git does not see then."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lxgit.objects.ids import from_hex, hex_id
from lxgit.objects.refnames import CACHE, DELETED
from lxgit.objects.refs import ANY
from lxgit.operations.branches import create_branch, delete_branch
from lxgit.operations.buildcache import prune_cache
from lxgit.operations.diskusage import disk_shares
from lxgit.operations.gc import gc
from lxgit.operations.hiding import HiddenHistory
from lxgit.operations.imagehistory import image_history
from lxgit.operations.importing import import_image
from lxgit.operations.lookup import read_commit
from lxgit.operations.showing import show_commit
from lxgit.repository import Repository, create_repository
from tests.support.stockgit import StockGit
from tests.support.stores import WHO, Listener, problems

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

STEP = CACHE + "a" * 64


def import_three(repository: Repository, scratch: Path) -> None:
    """Have `base` with a history of three commits."""
    (root := scratch / "root").mkdir()
    for text in ("one", "two", "three"):
        (root / "file").write_text(text)
        import_image(repository, root, "base", identity=WHO, progress=Listener())


def fetched(repository: Repository, scratch: Path) -> Path:
    """What stock Git writes as it fetches no more than the last commit of a clone."""
    clone = scratch / "clone"
    git = StockGit(repository.git_dir)
    git("clone", "-q", "--bare", str(repository.git_dir), str(clone))
    git("fetch", "-q", "--depth=1", f"file://{clone}", "base")
    return repository.git_dir / "shallow"


def grafted(repository: Repository, _: Path) -> Path:
    path = repository.git_dir / "info/grafts"
    path.parent.mkdir(exist_ok=True)
    tip = repository.revisions.resolve("base")
    path.write_text(f"{hex_id(tip)}\n", "ascii")
    return path


@pytest.mark.parametrize("hide", [fetched, grafted])
def test_nothing_goes_by_what_git_reaches_then(
    repository: Repository, scratch: Path, hide: Callable[[Repository, Path], Path]
) -> None:
    """The history went with `gc --now`, and what the cache of builds knew of it."""
    import_three(repository, scratch)
    first = repository.revisions.resolve("base~2")
    repository.refs.update(STEP, first, old=ANY, message="", who=WHO.committer)
    create_branch(repository, "old", "base~2", force=False, identity=WHO)
    hiding = hide(repository, scratch)
    refs, logs = repository.refs.list(), repository.refs.reflog("refs/heads/base")
    for deletes in (
        lambda: gc(repository, progress=Listener()),
        lambda: gc(repository, now=True, progress=Listener()),
        lambda: gc(repository, now=True, dry_run=True, progress=Listener()),
        lambda: disk_shares(repository, Listener()),
        lambda: prune_cache(repository),
        lambda: delete_branch(repository, "old", force=False, identity=WHO),
    ):
        with pytest.raises(HiddenHistory) as refused:
            deletes()
        error = refused.value
        told = [(one.message, one.hint) for one in problems(repository.path)]
        assert (error.message, error.hint) in told
        assert str(hiding) in str(error.hint)
    assert repository.refs.list() == refs
    assert repository.refs.reflog("refs/heads/base") == logs
    hiding.unlink()
    assert problems(repository.path) == []
    assert gc(repository, now=True, progress=Listener()).objects == 0
    assert prune_cache(repository).steps == 0
    delete_branch(repository, "old", force=False, identity=WHO)
    assert problems(repository.path) == []


def test_what_only_the_cache_of_builds_reaches_counts_as_hidden(
    repository: Repository, scratch: Path
) -> None:
    """Each parent of an image that was built is a step, so some ref always reached it."""
    import_three(repository, scratch)
    for revision, digit in (("base", "a"), ("base~1", "b"), ("base~2", "c")):
        step = repository.revisions.resolve(revision)
        repository.refs.update(CACHE + digit * 64, step, old=ANY, message="", who=WHO.committer)
    create_branch(repository, "old", "base~2", force=False, identity=WHO)
    hiding = fetched(repository, scratch)
    refs = repository.refs.list()
    for deletes in (
        lambda: disk_shares(repository, Listener()),
        lambda: prune_cache(repository),
        lambda: delete_branch(repository, "old", force=False, identity=WHO),
    ):
        with pytest.raises(HiddenHistory):
            deletes()
    assert repository.refs.list() == refs
    hiding.unlink()
    assert prune_cache(repository).steps == 0
    delete_branch(repository, "old", force=False, identity=WHO)


def test_what_a_deleted_branch_reaches_counts_as_hidden(
    repository: Repository, scratch: Path
) -> None:
    """Entries of reflogs went, and only then gc was refused."""
    import_three(repository, scratch)
    create_branch(repository, "side", "base~1", force=False, identity=WHO)
    delete_branch(repository, "side", force=True, identity=WHO)
    hiding = fetched(repository, scratch)
    logs = {name: repository.refs.reflog(name) for name in repository.refs.logged()}
    assert DELETED in logs
    for dry_run in (True, False):
        with pytest.raises(HiddenHistory):
            gc(repository, now=True, dry_run=dry_run, progress=Listener())
    assert {name: repository.refs.reflog(name) for name in repository.refs.logged()} == logs
    hiding.unlink()
    assert gc(repository, now=True, progress=Listener()).objects == 0


def test_what_is_asked_for_whatever_git_reaches_is_done(
    repository: Repository, scratch: Path
) -> None:
    (root := scratch / "root").mkdir()
    for text in ("one", "two"):
        (root / "file").write_text(text)
        import_image(repository, root, "base", identity=WHO, progress=Listener())
    tip = repository.revisions.resolve("base")
    repository.refs.update(STEP, tip, old=ANY, message="", who=WHO.committer)
    create_branch(repository, "old", "base~1", force=False, identity=WHO)
    grafted(repository, scratch)
    assert prune_cache(repository, everything=True).steps == 1
    delete_branch(repository, "old", force=True, identity=WHO)
    assert list(repository.refs.list("refs/heads/")) == ["refs/heads/base"]


def test_a_history_that_ends_where_git_is_told_so(repository: Repository, scratch: Path) -> None:
    """A `shallow` that is true hides nothing: that of a store which has no more."""
    (root := scratch / "root").mkdir()
    (root / "file").write_text("one")
    import_image(repository, root, "base", identity=WHO, progress=Listener())
    git = StockGit(repository.git_dir)
    tree = git.word("rev-parse", "base^{tree}")
    commit = f"tree {tree}\nparent {'1' * 40}\nauthor a <a> 1 +0000\ncommitter a <a> 1 +0000\n\n"
    cut = git.word("hash-object", "-t", "commit", "-w", "--stdin", stdin=commit.encode())
    (repository.git_dir / "shallow").write_text(f"{cut}\n", "ascii")
    git("update-ref", "refs/heads/cut", cut)
    assert gc(repository, now=True, progress=Listener()).objects == 0
    assert git.word("rev-parse", "cut") == cut


def test_what_a_shallow_fetch_left_out_is_missed_by_nothing(
    repository: Repository, scratch: Path
) -> None:
    """`fsck` took it for lost, and `show`, `log --stat` and `history` failed."""
    import_three(repository, scratch)
    other = create_repository(scratch / "other")
    import_image(other, scratch / "root", "mine", identity=WHO, progress=Listener())
    source = f"file://{repository.git_dir}"
    StockGit(other.git_dir)("fetch", "-q", "--depth=1", source, "base:base")
    assert problems(other.path) == []
    _, shown = show_commit(other, "base")
    assert list(shown.changes)
    assert len(list(image_history(other, "base"))) == 1
    lost = hex_id(repository.revisions.resolve("base~1"))
    (other.git_dir / "shallow").write_text(f"{lost}\n", "ascii")  # the tip is no end of it now
    assert any(f"{lost} is missing" in one.message for one in problems(other.path))


def test_a_merge_that_lacks_a_parent_there_has_none(repository: Repository, scratch: Path) -> None:
    """As in Git: what it is compared with is not the other one."""
    import_three(repository, scratch)
    git = StockGit(repository.git_dir)
    there = git.word("rev-parse", "base")
    raw = git("cat-file", "commit", "base").replace(
        b"\nparent ", f"\nparent {'1' * 40}\nparent ".encode(), 1
    )
    merge = git.word("hash-object", "-t", "commit", "-w", "--stdin", stdin=raw)
    (repository.git_dir / "shallow").write_text(f"{merge}\n", "ascii")
    repository.objects.scan()
    assert read_commit(repository, from_hex(merge)).parents == ()
    assert read_commit(repository, from_hex(there)).parents != ()


def test_a_shallow_clone_of_two_branches_loses_nothing(
    repository: Repository, scratch: Path
) -> None:
    """The one's tip is the other's parent, and so is reached, though Git does not go that way."""
    import_three(repository, scratch)
    create_branch(repository, "old", "base~1", force=False, identity=WHO)
    source = str(repository.git_dir)
    shallow = Repository(scratch / "shallow")
    clone = ("clone", "-q", "--bare", "--depth=1", "--no-single-branch")
    StockGit(repository.git_dir)(*clone, f"file://{source}", str(shallow.git_dir))
    (shallow.path / "format").write_bytes((repository.path / "format").read_bytes())
    create_branch(shallow, "new", "base", force=False, identity=WHO)
    assert gc(shallow, now=True, progress=Listener()).objects == 0
    delete_branch(shallow, "new", force=False, identity=WHO)
    tip = hex_id(shallow.revisions.resolve("base"))
    (hidden,) = (one for one in problems(shallow.path) if "shallow" in one.message)
    assert hidden.hint == (
        f"take the line {tip} out of '{shallow.git_dir}/shallow', and it is seen as it is"
    )
    lines = (shallow.git_dir / "shallow").read_text().splitlines()
    (shallow.git_dir / "shallow").write_text("".join(f"{x}\n" for x in lines if x != tip))
    assert not any("shallow" in one.message for one in problems(shallow.path))
    delete_branch(shallow, "old", force=True, identity=WHO)
    assert gc(shallow, now=True, progress=Listener()).objects == 0
