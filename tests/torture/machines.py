"""What is tortured: each operation that writes, and a small store where it has something to do."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from tests.support import rootfs
from tests.support.program import Lxgit, Result
from tests.support.registry import registry
from tests.support.stores import copied
from tests.torture.verdict import State

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from contextlib import ExitStack
    from pathlib import Path

DATED = {
    "GIT_AUTHOR_NAME": "Ada",
    "GIT_AUTHOR_EMAIL": "ada@example.org",
    "GIT_AUTHOR_DATE": "1700000000 +0100",
    "GIT_COMMITTER_NAME": "Bo",
    "GIT_COMMITTER_EMAIL": "bo@example.org",
    "GIT_COMMITTER_DATE": "1700000060 +0100",
}
"""The same commit has the same id in each run."""

_CHANGE = """
    test -e /srv/new && exit
    echo tuned >/etc/motd; rm /etc/hosts; mkdir -m 700 /srv/new; echo x >/srv/new/x
"""
_PROGRAMS = ("busybox", "sh", "cat", "echo", "rm", "mkdir", "test", "true")
_BUILD = ("build", "-q", "--network", "none", "-t", "built", "@context")
_DOCKERFILE = """\
FROM base
COPY added /srv/added
RUN echo made >/srv/made
CMD cat /srv/made
"""


@dataclass(frozen=True, slots=True)
class Operation:
    """A command that writes. `before` are those that make its store of the usual one.

    `again` are commands of which one succeeds then where the operation does not, having come to its
    end before or half way.
    `containers`: it needs LXC. `varies`: refs to commits that are others each time.
    """

    name: str
    words: tuple[str, ...]
    before: tuple[tuple[str, ...], ...] = ()
    again: tuple[tuple[str, ...], ...] = ()
    containers: bool = False
    empty: bool = False  # on a store that is not there yet
    once: bool = False  # a second time, it would do something else: `again` alone is tried
    varies: tuple[str, ...] = ()


OPERATIONS = (
    Operation("first import", ("import", "@tuned.tar", "new"), empty=True),
    Operation("import", ("import", "@tuned.tar", "base")),
    Operation("commit", ("commit", "-m", "Tune it", "web"), again=(("status",),), containers=True),
    Operation(
        "materialise",
        ("run", "--rm", "tuned", "cat", "/etc/motd"),
        before=(("prune",),),
        containers=True,
    ),
    Operation(
        "run",
        ("run", "--name", "job", "base", "sh", "-c", "echo written >/srv/written"),
        again=(("start", "-a", "job"),),
        containers=True,
    ),
    Operation("start", ("start", "-a", "web"), containers=True),
    Operation("restore", ("restore", "web:/etc/motd"), containers=True),
    Operation(
        "checkout --merge",
        ("checkout", "-q", "--merge", "tuned", "web"),
        before=(("restore", "web:/etc/motd"),),
        containers=True,
    ),
    # Of the two, one can go on as long as the changes are in one place or the other.
    Operation(
        "stash push",
        ("stash", "push", "web"),
        again=(("stash", "pop", "web"),),
        containers=True,
    ),
    Operation(
        "stash pop",
        ("stash", "pop", "web"),
        before=(("stash", "push", "web"),),
        again=(("stash", "push", "web"),),
        containers=True,
    ),
    Operation("rm", ("rm", "web"), again=(("ps", "-a"),), containers=True),
    Operation("branch", ("branch", "new"), again=(("branch", "-f", "new"),)),
    Operation("branch -D", ("branch", "-D", "tuned"), again=(("branch", "tuned"),)),
    Operation(
        "branch -m",
        ("branch", "-m", "tuned", "new"),
        again=(("branch", "-M", "tuned", "new"), ("branch", "tuned")),
    ),
    Operation("checkout -b", ("checkout", "-b", "new", "tuned"), again=(("checkout", "new"),)),
    Operation("tag", ("tag", "-m", "The new one", "v2"), again=(("tag", "-f", "v2"),)),
    Operation("tag -d", ("tag", "-d", "v1"), again=(("tag", "v1"),)),
    Operation(
        "undo",
        ("undo",),
        before=(("branch", "-D", "tuned"),),
        again=(("branch", "-f", "tuned", "v1"),),
        once=True,
    ),
    Operation("prune", ("prune",)),
    Operation("gc", ("gc", "--now"), before=(("branch", "-D", "tuned"),)),
    Operation(
        "build",
        _BUILD,
        containers=True,
        varies=("refs/heads/built",),
    ),
    Operation("builder prune", ("builder", "prune", "-a", "-f"), before=(_BUILD,), containers=True),
    Operation("pull", ("pull", "-q", "@image", "new")),
    Operation("load", ("load", "-q", "-i", "@image.tar")),
    Operation(
        "network create",
        ("network", "create", "backend"),
        again=(("network", "rm", "backend"),),
    ),
    Operation(
        "network rm",
        ("network", "rm", "backend"),
        before=(("network", "create", "backend"),),
        again=(("network", "create", "backend"),),
    ),
    Operation("volume create", ("volume", "create", "data")),
    Operation(
        "volume rm",
        ("volume", "rm", "data"),
        before=(("volume", "create", "data"),),
        again=(("volume", "create", "data"),),
    ),
)


@dataclass(frozen=True, slots=True)
class Machine:
    """A store of an operation, to be copied; `inputs` stand for the words that begin with @."""

    operation: Operation
    template: Path
    inputs: Mapping[str, str]

    def copied(self, directory: Path) -> Lxgit:
        """The program on a copy of the store in `directory`, which is made."""
        directory.mkdir()
        (directory / "home").mkdir()
        store = directory / "store"
        if not self.operation.empty:
            copied(self.template, store)
        return Lxgit(store, directory / "home")

    def next(self, lxgit: Lxgit) -> tuple[Result, bool]:
        """What came of the operation after it was disturbed; whether that was its whole work.

        It is tried once more, and where that is refused, or it is not to be repeated, what else
        must work then.
        """
        operation = self.operation
        tried = [] if operation.once else [operation.words]
        for words in (*tried, *operation.again):
            result = lxgit(*self.words(words), env=DATED, code=None)
            if result.code == 0:
                return result, words == operation.words
        return result, False

    def words(self, words: tuple[str, ...]) -> list[str]:
        """A command line for the program."""
        return [self.inputs[word[1:]] if word[0] == "@" else word for word in words]

    def before(self) -> State:
        """What the store holds before the operation."""
        return State({}, {}) if self.operation.empty else self.state(self.template)

    def state(self, store: Path) -> State:
        """What a store holds; of refs that vary, that they are there."""
        state = State.of(store)
        varying = {name: "there" for name in self.operation.varies if name in state.refs}
        return State(state.refs | varying, state.containers)


class Workshop:
    """Makes the machines in a directory, from a root filesystem that has busybox.

    `ends` is entered by what there is to end, such as a registry.
    """

    def __init__(self, directory: Path, busybox: Path, ends: ExitStack) -> None:
        self._directory = directory
        self._ends = ends
        # What no container runs from has no program, which each check of a store would read.
        self._archives = {
            True: _archives(busybox, directory / "programs", _PROGRAMS),
            False: _archives(busybox, directory / "files", ()),
        }
        self._usual: dict[bool, Path] = {}
        self._inputs = {"tuned.tar": str(self._archives[False].tuned)}

    def machine(self, operation: Operation) -> Machine:
        """The store on which an operation begins."""
        usual = self._usual.get(operation.containers)
        if usual is None:
            usual = self._usual[operation.containers] = self._make(containers=operation.containers)
        said = {word for words in (operation.words, *operation.before) for word in words}
        for name in {word[1:] for word in said if word[0] == "@"} - self._inputs.keys():
            self._inputs[name] = self._input(name)
        template = usual
        if operation.before:
            template = self._directory / operation.name.replace(" ", "-")
        if operation.before and not template.exists():
            subprocess.run(["cp", "-a", usual, template], check=True)
            for words in operation.before:
                machine = Machine(operation, template, self._inputs)
                Lxgit(template, self._directory)(*machine.words(words), env=DATED)
        return Machine(operation, template, self._inputs)

    def _input(self, name: str) -> str:
        """What `@name` stands for on a command line."""
        place = self._directory / name
        if name == "context":
            place.mkdir()
            (place / "Dockerfile").write_text(_DOCKERFILE)
            (place / "added").write_bytes(os.urandom(1 << 18))
            return str(place)
        lxgit = Lxgit(self._directory / "sender", self._directory)
        for archive in self._archives[False]:
            lxgit("import", archive, "new", env=DATED)
        if name == "image.tar":
            lxgit("save", "new", "-o", place)
            return str(place)
        here = self._ends.enter_context(registry(place))
        lxgit("push", "-q", "new", f"{here.host}/new")
        return f"{here.host}/new"

    def _make(self, *, containers: bool) -> Path:
        """A store with two branches, a tag, and a container that has changed."""
        lxgit = Lxgit(self._directory / f"usual-{containers}", self._directory)
        base, tuned = self._archives[containers]
        lxgit("import", base, "base", env=DATED)
        lxgit("checkout", "-b", "tuned", env=DATED)
        lxgit("import", tuned, "tuned", env=DATED)
        lxgit("checkout", "base", env=DATED)
        lxgit("tag", "-m", "The first one", "v1", env=DATED)
        if containers:
            lxgit("run", "--name", "web", "base", "sh", "-c", _CHANGE, env=DATED)
        return lxgit.store


class _Archives(NamedTuple):
    """Root filesystems of two commits."""

    base: Path
    tuned: Path


def _archives(busybox: Path, directory: Path, programs: Collection[str]) -> _Archives:
    """With some of busybox's four hundred names alone: such a machine is quickly made."""
    directory.mkdir()
    root = directory / "root"
    subprocess.run(["cp", "-a", busybox, root], check=True)
    for path in (root / "bin").iterdir():
        if path.name not in programs:
            path.unlink()
    base = rootfs.make_tar(root, directory / "base.tar")
    (root / "etc/motd").write_text("Another machine.\n")
    (root / "etc/large").write_bytes(os.urandom(1 << 18))
    (root / "etc/hosts").unlink()
    return _Archives(base, rootfs.make_tar(root, directory / "tuned.tar"))
