"""What gc takes, and what it leaves alone."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from lxgit.objects.commits import Signature
from lxgit.objects.git import GitFailed
from lxgit.objects.ids import ObjectID, ObjectType, from_hex
from lxgit.objects.refnames import DELETED
from lxgit.objects.refs import ANY, CorruptRef
from lxgit.operations.branches import drop_branch, rename_branch
from lxgit.operations.fsck import fsck
from lxgit.operations.garbage import DamagedTimes
from lxgit.operations.gc import gc
from lxgit.operations.importing import import_image
from lxgit.operations.pinning import LostCommit
from lxgit.operations.prune import prune
from lxgit.operations.values import Identity
from lxgit.records import replace
from lxgit.repository import Repository
from lxgit.runtime.layers import LayerStore
from tests.conftest import unable
from tests.support.machine import lacks_program
from tests.support.stockgit import StockGit
from tests.support.stores import Listener

if TYPE_CHECKING:
    from pathlib import Path

    from lxgit.operations.values import Collected
    from tests.operations.conftest import Lab

DAY = 86_400
BASE = "refs/heads/base"


def who(days: float = 0) -> Identity:
    """Somebody who did something that many days ago."""
    signature = Signature("Ada", "ada@example.org", int(time.time() - days * DAY))
    return Identity(signature, signature)


def take(repository: Repository, root: Path, content: str, days: float = 0) -> ObjectID:
    """Import a directory with one file of that content."""
    root.mkdir(exist_ok=True)
    (root / "file").write_text(content)
    made = import_image(repository, root, "base", identity=who(days), progress=Listener())
    return from_hex(made.oid)


def collect(repository: Repository, *, now: bool = False) -> Collected:
    """What a dry run foretells, and then is so."""
    foretold = gc(repository, now=now, dry_run=True, progress=Listener())
    done = gc(repository, now=now, progress=Listener())
    assert (done.objects, done.reflog_entries) == (foretold.objects, foretold.reflog_entries)
    said = StockGit(repository.git_dir).fsck().splitlines()
    assert [line for line in said if not line.startswith(b"notice: ")] == []  # HEAD may be unborn
    assert list(fsck(repository, progress=Listener())) == []
    return done


def forget(repository: Repository, days: float = 0) -> None:
    """Delete the branch that many days ago, once HEAD names another, which is not there yet."""
    tip = repository.refs.read(BASE)
    head = "refs/heads/none"
    repository.refs.set_head(head, message="", who=who(days).committer, unborn=True)
    repository.refs.update(BASE, None, old=tip, message="deleted", who=who(days).committer)
    log = repository.git_dir / "logs" / DELETED
    before, _, last = log.read_text().rstrip("\n").rpartition("\n")
    last = re.sub(r"> \d+ ", f"> {int(time.time() - days * DAY)} ", last)
    log.write_text(f"{before}\n{last}\n")


def age(repository: Repository, days: float) -> None:
    """Have all objects last used that many days ago."""
    then = time.time() - days * DAY
    for directory, _, files in os.walk(repository.git_dir / "objects"):
        for name in files:
            os.utime(os.path.join(directory, name), (then, then))


def test_what_is_reachable_stays(repository: Repository, scratch: Path) -> None:
    for number in range(5):
        oid = take(repository, scratch / "root", f"{number}\n" * 1000)
    assert collect(repository, now=True).objects == 0
    assert repository.refs.read(BASE) == oid
    assert repository.objects.pack_count() == 1


def test_a_second_time_there_is_nothing_to_do(repository: Repository, scratch: Path) -> None:
    take(repository, scratch / "root", "text")
    gc(repository, progress=Listener())
    before = {path.name: path.stat().st_mtime_ns for path in packs(repository)}
    gc(repository, progress=Listener())
    assert {path.name: path.stat().st_mtime_ns for path in packs(repository)} == before


def packs(repository: Repository) -> list[Path]:
    return sorted((repository.git_dir / "objects/pack").iterdir())


def test_a_deleted_branch_is_kept_for_ninety_days(repository: Repository, scratch: Path) -> None:
    oid = take(repository, scratch / "root", "text", days=100)
    forget(repository, days=80)
    age(repository, 80)
    assert collect(repository).objects == 0
    assert repository.refs.deleted()[0].oid == oid
    assert oid in repository.objects


@pytest.mark.parametrize("renamed", [False, True])
def test_what_a_branch_was_before_it_was_deleted_is_kept(
    repository: Repository, scratch: Path, *, renamed: bool
) -> None:
    kept = take(repository, scratch / "root", "one", days=60)
    left = take(repository, scratch / "root", "two", days=50)
    repository.refs.update(BASE, kept, old=left, message="reset", who=who(20).committer)
    if renamed:
        rename_branch(repository, "base", "other", force=False, identity=who(10))
        repository.refs.update("refs/heads/base", kept, old=None, message="", who=who().committer)
        repository.refs.set_head(BASE, message="", who=who().committer)
        drop_branch(repository, "other", kept, who())
    else:
        forget(repository, days=10)
    age(repository, 50)
    assert collect(repository).objects == 0
    assert left in repository.objects
    assert left in {entry.old for entry in repository.refs.deleted()[0].log}
    assert collect(repository, now=True).objects > 0
    assert left not in repository.objects


def test_how_a_deleted_branch_came_to_be_where_it_was_is_told_as_long_as_that(
    repository: Repository, scratch: Path
) -> None:
    take(repository, scratch / "root", "one", days=120)
    oid = take(repository, scratch / "root", "two", days=110)
    forget(repository, days=80)
    [gone] = repository.refs.deleted()
    collect(repository)
    for entry in (gone.log[0]._replace(old=None),) * 2:
        [gone] = repository.refs.deleted()
        assert gone.log == (entry,)
        assert collect(repository).objects == 0
    assert oid in repository.objects


def test_it_goes_with_its_reflog_entry(repository: Repository, scratch: Path) -> None:
    oid = take(repository, scratch / "root", "text", days=100)
    forget(repository, days=95)
    age(repository, 95)
    done = collect(repository)
    assert done.objects > 5
    assert done.freed > 0
    assert oid not in repository.objects


def test_now_means_what_only_a_reflog_reaches(repository: Repository, scratch: Path) -> None:
    kept = take(repository, scratch / "root", "one")
    undone = take(repository, scratch / "root", "two")
    repository.refs.update(BASE, kept, old=undone, message="reset", who=who().committer)
    assert collect(repository).objects == 0
    assert undone in repository.objects
    done = collect(repository, now=True)
    assert done.objects > 0
    assert done.reflog_entries > 0
    assert undone not in repository.objects
    assert kept in repository.objects


def test_now_means_branches_that_were_deleted(repository: Repository, scratch: Path) -> None:
    """The last one too; what another still reaches can be found as before."""
    kept = take(repository, scratch / "root", "one")
    refs, oids = repository.refs, [kept]
    for name in ("refs/heads/two", "refs/heads/three", "refs/heads/one"):
        oid = kept if name.endswith("one") else take(repository, scratch / "root", name)
        oids.append(oid)
        refs.update(name, oid, old=None, message="made", who=who().committer)
        refs.update(BASE, kept, old=oid, message="reset", who=who().committer)
    for name, oid in zip(("refs/heads/one", "refs/heads/two"), (kept, oids[1]), strict=True):
        refs.update(name, None, old=oid, message="deleted", who=who().committer)
    assert collect(repository).objects == 0
    assert collect(repository, now=True).objects > 0
    assert [oid in repository.objects for oid in oids[:3]] == [True, False, True]
    assert [one.oid for one in refs.deleted()] == [kept]
    assert refs.read("refs/lxgit/deleted") == kept
    refs.update("refs/heads/three", None, old=oids[2], message="deleted", who=who().committer)
    assert collect(repository, now=True).objects > 0
    assert oids[2] not in repository.objects
    assert [one.oid for one in refs.deleted()] == [kept]


def test_now_does_not_mean_a_deletion_for_what_was_deleted_before_it(
    repository: Repository, scratch: Path
) -> None:
    kept = take(repository, scratch / "root", "one")
    gone = take(repository, scratch / "root", "two")
    refs = repository.refs
    refs.update("refs/heads/gone", gone, old=None, message="made", who=who().committer)
    refs.update("refs/heads/kept", kept, old=None, message="made", who=who().committer)
    refs.update(BASE, kept, old=gone, message="reset", who=who().committer)
    refs.update("refs/heads/gone", None, old=gone, message="deleted", who=who().committer)
    refs.update("refs/heads/kept", None, old=kept, message="deleted", who=who().committer)
    told, _ = refs.deleted()
    for _ in range(2):
        collect(repository, now=True)
        assert refs.deleted() == (told,)
        assert [entry.message for entry in told.log] == ["made"]
        assert refs.read("refs/lxgit/deleted") == kept
        assert gone not in repository.objects


def test_now_asks_git_once_for_all_reflogs(repository: Repository, scratch: Path) -> None:
    if reason := lacks_program("strace"):
        unable(reason)
    kept = take(repository, scratch / "root", "one")
    gone = take(repository, scratch / "root", "two")
    names = [BASE, *(f"refs/heads/{number}" for number in range(20))]
    for name in names[1:]:
        repository.refs.update(name, gone, old=None, message="made", who=who().committer)
    for name in names:
        repository.refs.update(name, kept, old=gone, message="reset", who=who().committer)
    trace = scratch / "trace"
    words = ("strace", "-f", "-e", "trace=execve", "-s", "9999", "-o", trace, sys.executable)
    subprocess.run(
        [*words, "-m", "lxgit", "--store", repository.path, "gc", "--now", "--dry-run"], check=True
    )
    started = [line for line in trace.read_text().splitlines() if '"--not"' in line]
    assert len(started) == 1
    collect(repository, now=True)
    assert gone not in repository.objects
    for name in names:
        assert [entry.new for entry in repository.refs.reflog(name)] == [kept]


def test_a_commit_that_was_undone_goes_after_thirty_days(
    repository: Repository, scratch: Path
) -> None:
    kept = take(repository, scratch / "root", "one", days=50)
    undone = take(repository, scratch / "root", "two", days=40)
    repository.refs.update(BASE, kept, old=undone, message="reset", who=who(35).committer)
    age(repository, 35)
    collect(repository)
    assert undone not in repository.objects
    assert [entry.new for entry in repository.refs.reflog(BASE)] == [kept]


def test_what_is_young_stays_though_nothing_reaches_it(repository: Repository) -> None:
    stock = StockGit(repository.git_dir)
    old = from_hex(stock.blob(b"old").encode())
    age(repository, 20)
    young = from_hex(stock.blob(b"young").encode())
    assert collect(repository).objects == 1
    assert old not in repository.objects
    assert young in repository.objects
    assert collect(repository).objects == 0  # it is in a cruft pack by now
    assert collect(repository, now=True).objects == 1


@pytest.mark.parametrize("size", [0, 20, None])
def test_a_cruft_pack_whose_times_are_damaged(repository: Repository, size: int | None) -> None:
    """They are what Git can do without: then the pack itself has the time of all that is in it."""
    stock = StockGit(repository.git_dir)
    oid = from_hex(stock.blob(b"unreachable").encode())
    assert collect(repository).objects == 0
    (times,) = (path for path in packs(repository) if path.suffix == ".mtimes")
    times.chmod(0o600)
    content = times.read_bytes()
    times.write_bytes(content[:-1] + bytes([content[-1] ^ 1]) if size is None else content[:size])
    (problem,) = fsck(repository, progress=Listener())
    assert problem.message == f"{times.name} is damaged"
    assert "lxgit fsck --repair" in (problem.hint or "")
    (problem,) = fsck(repository, repair=True, progress=Listener())
    assert problem.repaired
    assert collect(repository).objects == 0
    assert oid in repository.objects
    assert collect(repository, now=True).objects == 1


def test_damaged_times_stop_gc(repository: Repository) -> None:
    stock = StockGit(repository.git_dir)
    stock.blob(b"unreachable")
    collect(repository)
    (times,) = (path for path in packs(repository) if path.suffix == ".mtimes")
    times.chmod(0o600)
    times.write_bytes(b"")
    for how in ({"dry_run": True}, {}, {"now": True}):
        with pytest.raises((DamagedTimes, GitFailed), match=times.name) as raised:
            gc(repository, progress=Listener(), **how)
        assert "lxgit fsck" in (raised.value.hint or "")
    (problem,) = fsck(repository, repair=True, progress=Listener())
    assert problem.repaired
    assert collect(repository, now=True).objects == 1


def test_it_packs_better_than_import(repository: Repository, scratch: Path) -> None:
    text = "".join(f"line {number} of a long text\n" for number in range(20_000))
    for number in range(6):
        take(repository, scratch / "root", f"{number}\n{text}")
    before = gc(repository, dry_run=True, progress=Listener()).size
    done = collect(repository)
    assert done.size < before / 3
    assert before - done.size == pytest.approx(done.freed, abs=20_000)


def test_the_log_is_indexed(repository: Repository, scratch: Path) -> None:
    take(repository, scratch / "root", "text")
    gc(repository, progress=Listener())
    info = repository.git_dir / "objects/info"
    assert (info / "commit-graph").exists() or (info / "commit-graphs").exists()
    repository.git.run(["commit-graph", "verify", "--no-progress"])


@pytest.mark.root
@pytest.mark.overlay
@pytest.mark.lxc
def test_the_commit_of_a_container(lab: Lab) -> None:
    lab.run("box", "echo changed > /etc/changed")
    tip = lab.tip("base")
    assert tip is not None
    forget(lab.repository)
    collect(lab.repository, now=True)
    assert from_hex(tip.encode()) in lab.repository.objects
    prune(lab.repository, progress=Listener())
    assert lab.start("box")[0] == 0
    lab.commit("box", "again")
    assert lab.tip("again") is not None


@pytest.mark.root
@pytest.mark.overlay
@pytest.mark.lxc
def test_the_commit_of_a_container_that_no_ref_keeps(lab: Lab) -> None:
    """Its ref was deleted by somebody: gc makes that again before it looks what is reachable."""
    lab.run("box", "echo changed > /etc/changed")
    tip = from_hex(lab.container("box").config.commit.encode())
    refs = lab.repository.refs
    (pin,) = refs.list("refs/lxgit/containers/")
    forget(lab.repository)
    refs.update(pin, None, old=tip, message="", who=who().committer)
    assert gc(lab.repository, now=True, dry_run=True, progress=Listener()).objects == 0
    assert gc(lab.repository, now=True, progress=Listener()).objects == 0
    assert refs.list("refs/lxgit/containers/") == {pin: tip}
    prune(lab.repository, progress=Listener())
    assert lab.start("box")[0] == 0


@pytest.mark.root
@pytest.mark.overlay
@pytest.mark.lxc
def test_a_container_whose_commit_is_missing_is_told_of(lab: Lab) -> None:
    """Nothing is dropped beside it: more may be wrong than that."""
    lab.run("box", "true")
    box = lab.container("box")
    lab.repository.refs.update(
        f"refs/lxgit/containers/{box.id}", None, old=ANY, message="", who=who().committer
    )
    box.configured(replace(box.config, commit="1" * 40))
    with pytest.raises(LostCommit, match="'box' stands on commit 111111111111, which is missing"):
        gc(lab.repository, progress=Listener())


@pytest.mark.root
@pytest.mark.overlay
@pytest.mark.lxc
def test_a_ref_of_a_container_that_is_damaged(lab: Lab) -> None:
    """One that names something else is put right; where it says nothing, gc says what to do."""
    lab.run("box", "true")
    (pin,) = lab.repository.refs.list("refs/lxgit/containers/")
    path = lab.repository.git_dir / pin
    sound = path.read_bytes()
    path.write_bytes(b"1" * 40 + b"\n")
    told = {(one.affected, one.hint) for one in fsck(lab.repository, progress=Listener())}
    remedy = "'lxgit fsck --repair' has it name what the container stands on"
    assert (("container box",), remedy) in told
    gc(lab.repository, progress=Listener())
    assert path.read_bytes() == sound
    path.write_bytes(b"garbage")
    with pytest.raises(CorruptRef) as caught:
        gc(lab.repository, progress=Listener())
    assert caught.value.hint == f"remove '{path}': 'lxgit fsck --repair' makes it again"
    path.unlink()
    assert any(
        problem.repaired for problem in fsck(lab.repository, repair=True, progress=Listener())
    )
    assert path.read_bytes() == sound


def test_a_ref_that_names_what_is_missing(repository: Repository, scratch: Path) -> None:
    take(repository, scratch / "root", "text")
    path = repository.git_dir / "refs/heads/gone"
    path.write_bytes(b"1" * 40 + b"\n")
    with pytest.raises(GitFailed, match="bad object refs/heads/gone") as caught:
        gc(repository, progress=Listener())
    assert caught.value.hint == "'lxgit fsck' says what is damaged, and whom it harms"
    found = list(fsck(repository, progress=Listener()))
    assert ("gone",) in [problem.affected for problem in found]


def restart(lab: Lab) -> list[str]:
    """Have all layers be of an earlier boot; their ids."""
    layers = LayerStore(lab.repository.layers_dir)
    for name in (ids := layers.all_ids()):
        record = layers.path / name / "layer.json"
        record.write_bytes(replace(layers.layer(name), boot="earlier").encoded())
    return ids


@pytest.mark.root
@pytest.mark.overlay
@pytest.mark.lxc
def test_layers_of_an_earlier_boot_go(lab: Lab) -> None:
    """Nobody takes them any more, and they would come to be as many as there are boots."""
    lab.run("box", "echo changed > /etc/changed")
    lab.commit("box")
    layers = LayerStore(lab.repository.layers_dir)
    old = restart(lab)
    assert len(old) == 2
    assert gc(lab.repository, dry_run=True, progress=Listener()).gone_layers == 2
    assert gc(lab.repository, progress=Listener()).gone_layers == 2
    assert (layers.all_ids(), layers.stack_names()) == ([], [])
    assert lab.start("box")[0] == 0


@pytest.mark.root
@pytest.mark.overlay
@pytest.mark.lxc
def test_who_makes_the_first_layer_of_a_boot_drops_those_before_it(lab: Lab) -> None:
    lab.run("box", "echo changed > /etc/changed")
    old = restart(lab)
    assert lab.start("box")[0] == 0
    ids = LayerStore(lab.repository.layers_dir).all_ids()
    assert len(ids) == 1
    assert not set(ids) & set(old)
    assert list(fsck(lab.repository, progress=Listener())) == []


WRITER = """
import sys, pathlib
from lxgit.objects.git import GitFailed
from lxgit.objects.ids import ObjectType, from_hex
from lxgit.repository import open_repository
repository = open_repository(pathlib.Path(sys.argv[1]))
with repository.writing(), repository.objects.writer() as writer:
    oid = writer.add(ObjectType.BLOB, b"relied on")
    assert len(writer) == 0, "it is there already"
    print("relies", flush=True)
    sys.stdin.readline()
    print(oid in repository.objects, flush=True)
"""


def test_what_a_running_command_relies_on(repository: Repository) -> None:
    """Nothing reaches the object, and it is old; gc waits, and says for whom."""
    with repository.objects.writer() as writer:
        oid = writer.add(ObjectType.BLOB, b"relied on")
        writer.finish().release()
    age(repository, 100)
    command = [sys.executable, "-c", WRITER, str(repository.path)]
    program = [sys.executable, "-m", "lxgit", "--store", str(repository.path), "gc", "--now"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as writing:
        assert writing.stdout is not None
        assert writing.stdin is not None
        assert writing.stdout.readline() == "relies\n"
        with subprocess.Popen(program, stderr=subprocess.PIPE, text=True) as collecting:
            assert collecting.stderr is not None
            told = collecting.stderr.readline()
            assert f"waiting for process {writing.pid} (" in told
            assert oid in repository.objects
            writing.stdin.write("\n")
            writing.stdin.flush()
            assert writing.stdout.readline() == "True\n"
            writing.stdin.close()
            assert collecting.wait(60) == 0
    repository.objects.close()
    assert oid not in repository.objects  # nothing came of it


def test_a_ref_to_what_has_gone(repository: Repository, scratch: Path) -> None:
    """Somebody resolved a name, gc came, and then the ref was made."""
    from lxgit.objects.database import MissingObject

    kept = take(repository, scratch / "root", "one")
    undone = take(repository, scratch / "root", "two")
    repository.refs.update(BASE, kept, old=undone, message="reset", who=who().committer)
    assert repository.objects.commit(undone)  # the pack is open
    gc(Repository(repository.path), now=True, progress=Listener())
    with pytest.raises(MissingObject):
        repository.refs.update("refs/heads/late", undone, old=None, message="", who=who().committer)
    assert repository.refs.read("refs/heads/late") is None
