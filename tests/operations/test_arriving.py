"""When an image that arrives may take a name that is there: only where nobody's commit is lost."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from lxgit.objects import filelock
from lxgit.objects.commits import Commit, Signature, Tag, encode_commit, encode_tag
from lxgit.objects.ids import ObjectID, ObjectType
from lxgit.objects.refnames import InvalidName
from lxgit.operations.arriving import BUILD, PULL, NameHasCommits, arrive, ref_for
from lxgit.operations.gc import gc
from lxgit.operations.naming import NameTaken
from lxgit.operations.undo import undo
from lxgit.progress import NullProgress
from lxgit.repository import Repository
from tests.support.stores import WHO, Listener

if TYPE_CHECKING:
    from lxgit.operations.arriving import Arrival


def commit(repository: Repository, message: str, *parents: ObjectID) -> ObjectID:
    """A commit of an empty tree."""
    who = Signature("A", "a@b", 1)
    with repository.objects.writer(trusted=True) as writer:
        tree = writer.add(ObjectType.TREE, b"")
        oid = writer.add(ObjectType.COMMIT, encode_commit(Commit(tree, parents, who, who, message)))
        writer.finish().release()
    return oid


def arriving(
    repository: Repository, name: str, oid: ObjectID, *, way: str = PULL, force: bool = False
) -> Arrival:
    ref = ref_for(repository, name)
    return arrive(repository, ref, oid, way=way, source="there", force=force, identity=WHO)


def test_the_first_branch_becomes_head(repository: Repository) -> None:
    one = commit(repository, "one")
    arriving(repository, "base:v1", one)
    assert repository.refs.read("HEAD") is None
    made = arriving(repository, "base:latest", one)
    assert made == ("refs/heads/base", None, one, None)
    assert repository.refs.head() == "refs/heads/base"
    arriving(repository, "other", one)
    assert repository.refs.head() == "refs/heads/base"
    assert repository.refs.read("refs/tags/base/v1") == one


@pytest.mark.parametrize("name", ["base", "base:v1"])
def test_what_came_before_makes_way(repository: Repository, name: str) -> None:
    one, two = commit(repository, "one"), commit(repository, "two")
    arriving(repository, name, one)
    assert arriving(repository, name, one).unchanged
    moved = arriving(Repository(repository.path), name, two, way=BUILD)  # an operation of its own
    assert moved.old == one
    assert repository.refs.read(moved.ref) == two
    assert [entry.message for entry in repository.refs.reflog(moved.ref)] == [
        "build: there",
        "pull: there",
    ]
    undo(repository, identity=WHO, progress=Listener())
    assert repository.refs.read(moved.ref) == one


@pytest.mark.parametrize("name", ["base", "base:v1"])
def test_commits_of_others_stay(repository: Repository, name: str) -> None:
    one, two = commit(repository, "one"), commit(repository, "two")
    ref = arriving(repository, name, one).ref
    mine = commit(repository, "mine", one)
    repository.refs.update(ref, mine, old=one, message="commit: mine", who=WHO.committer)
    with pytest.raises(NameHasCommits, match=f"'{name}' has commits") as refused:
        arriving(repository, name, two)
    assert "--force" in str(refused.value.hint)
    assert repository.refs.read(ref) == mine
    theirs = commit(repository, "theirs", mine)
    assert arriving(repository, name, theirs).old == mine
    mine = commit(repository, "mine", theirs)
    repository.refs.update(ref, mine, old=theirs, message="commit: mine", who=WHO.committer)
    assert arriving(repository, name, two, force=True).old == mine


def test_an_annotated_tag_is_its_commit(repository: Repository) -> None:
    one = commit(repository, "one")
    arriving(repository, "base", one)
    tag = Tag(one, ObjectType.COMMIT, "base/v1", WHO.committer, "mine\n")
    with repository.objects.writer(trusted=True) as writer:
        value = writer.add(ObjectType.TAG, encode_tag(tag))
        with writer.finish():
            repository.refs.update(
                "refs/tags/base/v1", value, old=None, message="tagged", who=WHO.committer
            )
    assert arriving(repository, "base:v1", one).unchanged
    with pytest.raises(NameHasCommits):
        arriving(repository, "base:v1", commit(repository, "two"))


def test_names_that_cannot_be(repository: Repository) -> None:
    one = commit(repository, "one")
    arriving(repository, "base", one)
    arriving(repository, "team:v1", one)
    with pytest.raises(InvalidName):
        ref_for(repository, "a..b")
    with pytest.raises(NameTaken, match="'team/v1' is a tag"):
        ref_for(repository, "team/v1")


def test_what_came_makes_way_after_gc_and_undo(repository: Repository) -> None:
    """The reflog keeps how the commit came, whatever its age; an undo leads back to it."""
    one, two = commit(repository, "one"), commit(repository, "two")
    ref = arriving(repository, "base", one).ref
    arriving(repository, "base", two)
    for _ in range(2):
        gc(repository, now=True, progress=NullProgress())
        (entry,) = repository.refs.reflog(ref)
        assert (entry.old, entry.new, entry.message) == (None, two, "pull: there")
    three = commit(repository, "three")
    assert arriving(Repository(repository.path), "base", three).old == two
    undo(repository, identity=WHO, progress=Listener())
    assert arriving(repository, "base", commit(repository, "four")).old == two


def test_who_is_slower_comes_after(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of several that move a name at once each moves it in the end.

    They are threads of one process, which waits for itself no longer than for stock Git.
    """
    monkeypatch.setattr(filelock, "_PATIENCE", 60.0)
    made = [commit(repository, str(number)) for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        moves = pool.map(lambda oid: arriving(Repository(repository.path), "base", oid), made)
    arrivals = list(moves)
    entries = repository.refs.reflog(arrivals[0].ref)
    assert set(made) == {one.new for one in entries}
    assert {one.old for one in arrivals} == {one.old for one in entries}
