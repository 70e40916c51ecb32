"""Sixteen processes work in one store, and gc, prune and fsck with them: nothing is lost."""

from __future__ import annotations

import os
import random
import re
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from lxgit.objects.ids import from_hex, hex_id
from lxgit.operations.fsck import fsck
from lxgit.repository import open_repository
from tests.support.stockgit import StockGit
from tests.support.stores import Listener

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.program import Lxgit, Result

WORKERS = 16
_STEPS = 6  # that each takes at least, however slow the machine

# What one may be told when another was faster; everything else is a fault.
REFUSED = re.compile(
    r"has moved on|is not where the container stands|exists already|is there already|is gone"
    r"|process \d+ .*holds|another process holds|is in use|no branch|no tag|names nothing"
    r"|not a (?:branch|tag|commit|name)|unknown"
)


@dataclass
class Worker:
    """One who works in the store, with branches of their own and some that all share."""

    lxgit: Lxgit
    number: int
    root: Path
    chance: random.Random
    tips: dict[str, str] = field(default_factory=dict)
    """What was acknowledged: branches of this worker alone, by name."""
    faults: list[str] = field(default_factory=list)
    done: Counter[str] = field(default_factory=Counter)
    count: int = 0

    def work(self, until: float) -> None:
        """Do one thing after the other; a fault ends it."""
        steps: list[Callable[[], object]] = [
            self.take,
            self.take,
            self.commit,
            self.commit,
            self.branch,
            self.tag,
            self.delete,
            self.share,
        ]
        keeping = [self.gc, self.gc_now, self.prune, self.fsck]
        try:
            while (time.monotonic() < until or self.count < _STEPS) and not self.faults:
                step = self.chance.choice(steps)
                if self.number < 4 and self.count % 3 == 0:
                    step = keeping[self.number]
                self.count += 1
                step()
        except Exception as error:  # noqa: BLE001  # a thread must not die unheard
            self.faults.append(repr(error))

    def call(self, *words: str) -> Result:
        """Run the program: done, or refused in words that say why."""
        result = self.lxgit(*words, code=None, timeout=540)
        self.done[words[0]] += result.code == 0
        if result.code not in (0, 1) or "Traceback" in result.err:
            self.faults.append(f"{words}: {result.code} {result.out} {result.err}")
        elif result.code == 1 and not REFUSED.search(result.err):
            self.faults.append(f"{words}: refused: {result.err}{result.out}")
        return result

    def acknowledged(self, name: str) -> None:
        """This worker moved a branch of their own: from now on it is there."""
        self.tips[name] = self.call("rev-parse", name).out.strip()

    def take(self) -> None:
        (self.root / "file").write_text(f"{self.number} {self.count}\n" * 50)
        (self.root / "same").write_text(f"{self.count % 3}\n" * 50)  # others have it too
        name = f"own-{self.number}-{self.chance.randrange(2)}"
        if self.call("import", str(self.root), name).code == 0:
            self.acknowledged(name)

    def commit(self) -> None:
        box, name = f"box-{self.number}-{self.count}", f"made-{self.number}"
        script = f"echo {self.number} {self.count} > /etc/changed"
        image = name if name in self.tips else "base"
        if self.call("run", "--name", box, image, "sh", "-c", script).code == 0:
            if self.call("commit", "-m", "made", box, name).code == 0:
                self.acknowledged(name)
            self.call("rm", "-f", box)

    def branch(self) -> None:
        if self.tips:
            name = f"copy-{self.number}"
            start = self.chance.choice(sorted(self.tips))
            if self.call("branch", "-f", name, start).code == 0:
                self.tips[name] = self.tips[start]

    def tag(self) -> None:
        if self.tips:
            name = f"tag-{self.number}-{self.count}"
            start = self.chance.choice(sorted(self.tips))
            if self.call("tag", name, start).code == 0:
                self.tips[name] = self.tips[start]

    def delete(self) -> None:
        names = [name for name in self.tips if not name.startswith("tag")]
        if len(names) > 1:
            name = self.chance.choice(sorted(names))
            if self.call("branch", "-D", name).code == 0:
                del self.tips[name]

    def share(self) -> None:
        """A branch that everybody moves, and one that everybody makes and deletes."""
        self.call("import", str(self.root), "shared")
        self.call("branch", "-f", "fleeting", "base")
        self.call("branch", "-D", "fleeting")

    def gc(self) -> None:
        self.call("gc")

    def gc_now(self) -> None:
        self.call("gc", "--now")

    def prune(self) -> None:
        self.call("prune")

    def fsck(self) -> None:
        """In the middle of it all: what is there is sound."""
        said = self.call("fsck")
        if said.code:
            self.faults.append(said.out)


def work_together(lxgit: Lxgit, scratch: Path, rootfs: Path, seconds: float, seed: int) -> None:
    """Let them work, then look at what is left."""
    lxgit("import", rootfs, "base")
    workers = []
    for number in range(WORKERS):
        root = scratch / f"root-{number}"
        (root / "etc").mkdir(parents=True)
        workers.append(Worker(lxgit, number, root, random.Random(f"{seed} {number}")))
    until = time.monotonic() + seconds
    threads = [threading.Thread(target=worker.work, args=(until,)) for worker in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [fault for worker in workers for fault in worker.faults] == []
    done = sum((worker.done for worker in workers), Counter())
    print(dict(done))
    assert min(done[word] for word in ("import", "commit", "gc", "prune", "fsck")) > 0, done
    check(lxgit.store, workers)


def check(store: Path, workers: list[Worker]) -> None:
    """Every acknowledged commit is where it was put; the store is sound and can go on."""
    repository = open_repository(store)
    refs = repository.refs.list()
    short = {name.split("/", 2)[2]: hex_id(oid) for name, oid in refs.items()}
    for worker in workers:
        for name, tip in worker.tips.items():
            assert short.get(name) == tip, name
    assert list(fsck(repository, progress=Listener())) == []
    assert StockGit(repository.git_dir).fsck() == b""
    worker = workers[0]
    for word in ("gc", "prune", "fsck"):
        worker.lxgit(word)
    for name, tip in worker.tips.items():
        assert from_hex(tip) in repository.objects, name
        worker.lxgit("ls", f"{name}:/")
    repository.objects.close()
    left = [path for path in (store / "git").rglob("*") if path.name.endswith((".lock", ".keep"))]
    assert left == []


@pytest.mark.root
@pytest.mark.overlay
@pytest.mark.lxc
@pytest.mark.scale
def test_sixteen_processes(lxgit: Lxgit, scratch: Path, busybox_rootfs: Path) -> None:
    seconds = float(os.environ.get("TORTURE_SECONDS", "15"))
    seed = time.time_ns() if seconds > 15 else 1
    print(f"seed {seed}")
    work_together(lxgit, scratch, busybox_rootfs, seconds, seed)
