"""What a command may load: start-up is part of the design.

Importing Typer takes 40 ms, Pydantic (which Typer brings with the first option that is not a flag)
50 more, pygit2 70; `python3 -c pass` takes 11.
"""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.support.program import Lxgit

HEAVY = {
    "typer",
    "rich",
    "pydantic",
    "pygit2",
    "cffi",
    "isal",
    "zstandard",
    "asyncio",
    "ssl",
    "http",
    "email",
    "urllib",
    "logging",
    "argparse",
    "shutil",
    "subprocess",
    "tarfile",
    "tempfile",
    "difflib",
    "datetime",
    "inspect",
    "dataclasses",
    "decimal",
    "json",
    "unicodedata",
    "ctypes",
    "enum",
    "hashlib",
    "secrets",
    "typing",
    *("collections", "contextlib", "functools"),
}
"""Top-level modules that a command loads only when it is about them."""

USUAL = {"collections", "contextlib", "enum", "functools"}
"""What every command pays for that has to do with containers: json, pathlib and socket want it."""

if sys.version_info < (3, 13):
    HEAVY.remove("urllib")  # pathlib's own


def named(**rooms: str) -> set[str]:
    """Modules by room: `named(cli="main")` is lxgit.cli and lxgit.cli.main."""
    found = {f"lxgit.{room}" for room in rooms}
    return found | {
        f"lxgit.{room}.{name}" for room, names in rooms.items() for name in names.split()
    }


MAIN = {"__main__", "lxgit", "lxgit.cli", "lxgit.cli.main"}
DISPATCH = MAIN | {
    "lxgit.errors",
    "lxgit.lean",
    "lxgit.tuples",
    "lxgit.cli.commands",
    "lxgit.cli.dispatch",
    "lxgit.cli.environment",
    "lxgit.cli.output",
    "lxgit.cli.session",
}
PARSED = DISPATCH | {"lxgit.cli.params", "lxgit.cli.parse"}

OPENED = (
    PARSED
    | {"lxgit.enums", "lxgit.fsutil", "lxgit.locks", "lxgit.repository"}
    | named(
        cli="report",
        objects="commits ids refnames revisions",
        operations="lookup store",
    )
)
READ_REFS = named(objects="packedrefs refreader")
REFS = READ_REFS | {"lxgit.processes"} | named(objects="filelock newfile reflogs refs")
OBJECTS = named(objects="database inflate loose packdelta packindex packs")
IMAGE = named(objects="directory entries image imageconfig links metadata names tree")
CONTAINERS = {"lxgit.beneath", "lxgit.processes", "lxgit.records"} | named(
    operations="values",
    eventlog="",
    runtime="checksums config containers health idmap index kernel limits restarts rootless rundir"
    " runplace security",
)
LISTED = named(cli="options tables")

BRANCH = (
    OPENED
    | REFS
    | LISTED
    | named(cli="answers branches", operations="branches logvalues naming values")
)
LOG = (
    OPENED
    | READ_REFS
    | named(
        cli="human log logview options",
        objects="git history",
        operations="history logvalues showing",
    )
)
INSPECT = (
    OPENED
    | REFS
    | OBJECTS
    | IMAGE
    | LISTED
    | {"lxgit.records"}
    | named(
        cli="answers containers formats",
        objects="git messages shellwords",
        operations="inspecting logvalues naming tags values",
    )
)
"""Of an image."""

PS = (
    OPENED
    | LISTED
    | CONTAINERS
    | named(cli="formats human listings psview", operations="containerrows containers")
)
BRIDGE = {"lxgit.runtime.network"} | {
    f"lxgit.runtime.network.{name}"
    for name in ("firewall", "neighbours", "netlink", "program", "publishing", "records", "subnets")
}
"""Asked whether a firewall is in the way; the supervisor, which is forked from it, has them all."""

RUN = (
    OPENED
    | {"lxgit.spelling"}
    | BRIDGE
    | REFS
    | OBJECTS
    | IMAGE
    | CONTAINERS
    | named(
        cli="detaching identity lifeoptions limitoptions networkoptions processoptions progress run"
        " runoptions storageoptions",
        objects="accounts git",
        operations="attached closedchains creating discarding healthwishes launching limiting"
        " naming ordinary pins signals wantednetwork",
        runtime="attach attachment bases bootnote capabilities cgroups command confinement creating"
        " devices devpts enforcement freezer fsids graceperiod handover hierarchies idranges"
        " interrupts keeper launcher layers leaving logfile loop lxc lxcconfig materialise names"
        " networks overlay probe process protocol reaper registering relay rootfs rootmount sealed"
        " seccomp setup starting streams supervisor sweep terminal",
    )
)

EXEC = (
    PARSED
    | {"lxgit.fsutil", "lxgit.locks", "lxgit.repository"}
    | named(
        cli="detaching executing processoptions",
        operations="executing finding store",
        runtime="attach attachment graceperiod index interrupts protocol runplace streams terminal"
        " wanted",
    )
)

CHANGES = (
    OPENED
    | REFS
    | OBJECTS
    | IMAGE
    | CONTAINERS
    | LISTED
    | named(
        cli="changes human worktree",
        objects="acl changes changeset content diff extent filetree imagepaths ingest limits scan"
        " scratch treebuilder xattrs",
        operations="attached changed comparison containerrows finding worktree",
        runtime="filetimes statcache upper",
    )
)
"""What a container has changed is compared, path by path."""

COMMIT = CHANGES | named(
    cli="identity progress",
    objects="collisions dockerlines git globs history instructions libgit2 messages operationlog"
    " packwriter shellwords words",
    operations="committing consolidating destination naming pausing pins",
    runtime="attach bases cgroups directory_layer freezer hierarchies interrupts layers protocol",
)

EROFS = {"lxgit.runtime.erofs_mount"}
"""Where base layers have that form: the last container took the mount with it."""


_ALONE = ("unshare", "--mount", "sh", "-c", 'mount -t tmpfs none /run/lxgit; exec "$@"', "sh")
"""In front of a command that is not to see, nor to clear up, what other tests have running."""


def loaded(lxgit: Lxgit, *words: str, prefix: Sequence[str] = ()) -> set[str]:
    """The modules in memory when the command has ended."""
    code = (
        "import atexit, os, sys\n"
        "sys.argv[0] = 'lxgit'\n"
        "atexit.register(lambda: os.write(2, '\\n'.join(sys.modules).encode()))\n"
        "from lxgit.cli.main import main\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    done = subprocess.run(
        [*prefix, sys.executable, "-I", "-c", code, *words],
        capture_output=True,
        text=True,
        env=lxgit.environment(),
        check=True,
    )
    return set(done.stderr.splitlines())


def ours(modules: set[str]) -> set[str]:
    return {name for name in modules if name.split(".")[0] == "lxgit"} | {"__main__"}


def heavy(modules: set[str]) -> set[str]:
    return HEAVY & {name.split(".")[0] for name in modules}


@pytest.mark.parametrize(
    ("words", "allowed"),
    [
        (["--version"], MAIN),
        (["--help"], DISPATCH),
        (["completion", "bash"], PARSED | {"lxgit.cli.about", "lxgit.cli.completion_scripts"}),
        (["__complete", "lxgit co"], DISPATCH | {"lxgit.cli.completion"}),
    ],
    ids=["--version", "--help", "completion", "__complete"],
)
def test_what_is_loaded(lxgit: Lxgit, words: list[str], allowed: set[str]) -> None:
    modules = loaded(lxgit, *words)
    assert ours(modules) == allowed
    assert not heavy(modules)


@pytest.mark.parametrize(
    ("words", "allowed", "libraries"),
    [
        (["branch"], BRANCH, set()),
        (["log", "-n", "5"], LOG, set()),
        (["ps"], PS, USUAL | {"json", "ctypes"}),
        (["inspect", "base"], INSPECT, USUAL | {"json", "hashlib", "isal"}),
    ],
    ids=["branch", "log", "ps", "inspect"],
)
def test_what_hot_commands_load(
    grown: Lxgit, words: list[str], allowed: set[str], libraries: set[str]
) -> None:
    modules = loaded(grown, *words)
    assert ours(modules) == allowed
    assert heavy(modules) <= libraries


@pytest.mark.root
@pytest.mark.overlay
@pytest.mark.lxc
def test_what_run_loads(based: Lxgit) -> None:
    based("run", "--rm", "base", "true")  # the first one probes the host
    modules = loaded(based, "run", "--rm", "base", "true", prefix=_ALONE)
    assert ours(modules) - EROFS == RUN
    assert heavy(modules) <= USUAL | {"json", "ctypes", "hashlib", "isal"}


@pytest.mark.root
@pytest.mark.overlay
@pytest.mark.lxc
def test_what_status_and_commit_load(based: Lxgit) -> None:
    based("run", "--name", "web", "base", "sh", "-c", "echo tuned >/etc/motd")
    modules = loaded(based, "status", "web")
    assert ours(modules) == CHANGES
    assert heavy(modules) <= USUAL | {"json", "ctypes", "hashlib", "isal"}
    modules = loaded(based, "commit", "-m", "Tune it", "web")
    assert ours(modules) == COMMIT
    assert heavy(modules) <= USUAL | {"json", "ctypes", "hashlib", "isal"}


@pytest.mark.root
@pytest.mark.overlay
@pytest.mark.lxc
def test_what_exec_loads(based: Lxgit) -> None:
    based("run", "-d", "--name", "web", "base", "sleep", "1000")
    modules = loaded(based, "exec", "web", "true")
    based("rm", "-f", "web")
    assert ours(modules) == EXEC
    assert heavy(modules) <= USUAL
    assert not {"pathlib", "socket"} & modules


@pytest.mark.root
@pytest.mark.overlay
@pytest.mark.lxc
def test_what_a_build_loads_whose_steps_are_found_again(based: Lxgit, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM base\nRUN echo tuned >/etc/motd\n")
    based("build", str(tmp_path))
    modules = loaded(based, "build", str(tmp_path))
    assert "lxgit.operations.buildcache" in modules
    assert "lxgit.oci.skopeo" not in modules
    assert heavy(modules) <= USUAL | {"json", "ctypes", "hashlib", "isal"}
