"""What shells offer: asked as they ask, and in the shells themselves."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pexpect
import pytest

from lxgit.cli.completion import candidates, split
from lxgit.cli.output import Output
from lxgit.cli.session import Session
from lxgit.operations.selecting import STATES
from tests.conftest import unable
from tests.support.program import PROGRAM
from tests.support.stockgit import StockGit

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.program import Lxgit


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("", [""]),
        ("lxgit", ["lxgit"]),
        ("lxgit ", ["lxgit", ""]),
        ("lxgit  a\tb", ["lxgit", "a", "b"]),
        ("lxgit 'a b' \"c 'd", ["lxgit", "a b", "c 'd"]),
        (r"lxgit a\ b 'c\d' e\"", ["lxgit", "a b", r"c\d", 'e"']),
        ("lxgit base:v1", ["lxgit", "base:v1"]),
    ],
)
def test_words(line: str, words: list[str]) -> None:
    assert split(line) == words


def offered(line: str, store: Path) -> list[str]:
    """The candidates for the end of a line."""
    session = Session(Output(1))
    session.store_option = str(store)
    return [word for word, _ in candidates(session, line)]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("lxgit com", ["commit", "completion"]),
        ("lxgit --", ["--store", "--version", "--help"]),
        ("lxgit --store ", [":files"]),
        ("lxgit --store /x com", ["commit", "completion"]),
        ("lxgit nonsense ", []),
        ("lxgit completion ", ["bash", "zsh", "fish"]),
        ("lxgit completion z", ["zsh"]),
        ("lxgit completion zsh ", []),
        ("lxgit completion -", ["--help"]),
        ("lxgit help compl", ["completion"]),
        ("lxgit help container star", ["start"]),
        ("lxgit help -", ["-a", "--all", "--help"]),
        ("lxgit help ps ", []),
        ("lxgit container sta", ["start", "stats"]),
        ("lxgit container -", ["--help"]),
        ("lxgit stash p", ["pop", "push"]),
        ("lxgit stash -", ["-m", "--message", "--help"]),
        ("lxgit stash --mes", ["--message"]),
        ("lxgit container ls --forma", ["--format"]),
        ("lxgit container nonsense ", []),
        ("lxgit ps --format ", ["table", "json"]),
        ("lxgit ps --format=j", ["--format=json"]),
        ("lxgit ps --filter st", ["status="]),
        ("lxgit ps -f status=", [f"status={state}" for state in STATES]),
        ("lxgit ps --filter=status=r", ["--filter=status=running", "--filter=status=restarting"]),
        ("lxgit ps --filter health=u", ["health=unhealthy"]),
        ("lxgit ps --filter name=", []),
        ("lxgit images --filter st", []),
        ("lxgit inspect -f ", ["json"]),
        ("lxgit save -o ", [":files"]),
        ("lxgit load -i ", [":files"]),
        ("lxgit build --file ", [":files"]),
        ("lxgit commit -F ", [":files"]),
        ("lxgit build ", [":files"]),
        ("lxgit save --format=oci-", ["--format=oci-archive", "--format=oci-dir"]),
        ("lxgit builder ", ["build", "prune"]),
        ("lxgit net", ["network"]),
        ("lxgit image l", ["load", "ls"]),
    ],
)
def test_candidates(line: str, words: list[str], tmp_path: Path) -> None:
    assert offered(line, tmp_path / "none") == words


def test_without_a_store_there_is_nothing_to_offer(lxgit: Lxgit) -> None:
    assert lxgit("__complete", "lxgit --store /nowhere help ").lines
    assert lxgit("__complete").out


SHELLS = {
    "bash": (["--norc", "--noprofile", "-i"], ""),
    "zsh": (["-f", "-i"], "autoload -Uz compinit; compinit -u -D; "),
    "fish": (["--no-config", "-i"], ""),
}
"""How to start each one bare, and what it needs before completion works."""


@pytest.mark.parametrize("shell", SHELLS)
def test_in_the_shell(shell: str, lxgit: Lxgit) -> None:
    """On a terminal: two unfinished words, a tab after each, and the command runs."""
    with shell_of(lxgit, shell, lxgit.home) as terminal:
        terminal.send("lxgit comple\t")
        terminal.expect("completion ")
        terminal.send("fis\t")
        terminal.expect("fish ")
        terminal.send("\r")
        terminal.expect("# fish completion for lxgit")
        terminal.sendline("exit")
        terminal.expect(pexpect.EOF)


@contextlib.contextmanager
def shell_of(lxgit: Lxgit, shell: str, directory: Path) -> Iterator[pexpect.spawn[str]]:
    """The shell on a terminal, in a directory, as soon as it completes."""
    program = shutil.which(shell)
    if program is None:
        unable(f"{shell} is not installed")
    options, before = SHELLS[shell]
    environment = lxgit.environment({"TERM": "xterm" if shell == "fish" else "dumb"})
    environment["PATH"] = f"{os.path.dirname(PROGRAM)}:{environment['PATH']}"
    load = "lxgit completion fish | source" if shell == "fish" else EVALUATE.format(shell)
    with pexpect.spawn(
        *(program, options),
        env=environment,
        cwd=str(directory),
        dimensions=(24, 500),
        timeout=60,
        encoding="utf-8",
    ) as terminal:
        terminal.sendline(f"{before}{load}; echo rea''dy")
        terminal.expect("ready")
        yield terminal


MADE = ">MADE"
HOSTILE = f"e$(touch{MADE});touch{MADE};!$HOME{{a,b}}&"
TYPED = [
    ("e", HOSTILE),
    ("it", f"it's{HOSTILE}'"),
    ("x=e", f"x={HOSTILE}"),
    ("y@e", f"y@{HOSTILE}"),
    ("'z=e", f"z={HOSTILE}"),
    ('"f', f"f;touch{MADE}&it's"),
]
"""The beginning of a word, and the branch that has such a name."""


@pytest.mark.parametrize("shell", SHELLS)
def test_what_a_stranger_named_is_a_word(shell: str, based: Lxgit, scratch: Path) -> None:
    """It reaches the command as it is, and the shell makes nothing of it."""
    directory = scratch / "empty"
    directory.mkdir()
    git = StockGit(based.store / "git")
    for _, name in TYPED:
        git("update-ref", f"refs/heads/{name}", "refs/heads/base")
    with shell_of(based, shell, directory) as terminal:
        for typed, _ in TYPED:
            terminal.send(f"lxgit branch -d {typed}\t\r")
        terminal.sendline("echo do''ne")
        terminal.expect("done")
    assert [branch["name"] for branch in based("branch", "--format=json").json] == ["base"]
    assert os.listdir(directory) == []


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("lxgit show base:/srv/", ["/srv/a\\ b", "/srv/\\$\\(ls\\)", "/srv/it\\'s"]),
        ("lxgit show 'base:/srv/", ["base:/srv/a b", "base:/srv/$(ls)"]),
        ('lxgit show base:"/srv/', ["/srv/a b", "/srv/it's"]),
        ("lxgit show ba'se:/srv/'a", ["base:/srv/a\\ b"]),
        ("lxgit show 'a b' base:/srv/a\\ ", ["/srv/a\\ b"]),
    ],
)
def test_bash_quotes_what_it_is_given(
    typed: str, offered: list[str], lxgit: Lxgit, scratch: Path
) -> None:
    (scratch / "image/srv").mkdir(parents=True)
    for name in ("a b", "$(ls)", "it's"):
        (scratch / "image/srv" / name).touch()
    lxgit("import", scratch / "image", "base")
    script = 'eval "$(lxgit completion bash)"; COMP_LINE=$1 COMP_POINT=${#1}; _lxgit'
    environment = lxgit.environment()
    environment["PATH"] = f"{os.path.dirname(PROGRAM)}:{environment['PATH']}"
    told = subprocess.run(
        ["bash", "-ec", f'{script}; printf "%s\\n" "${{COMPREPLY[@]}}"', "bash", typed],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert sorted(told.stdout.splitlines()) == sorted(offered)


EVALUATE = 'eval "$(lxgit completion {})"'


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("lxgit checkout ", ["base", "tuned", "base/v1", "base:v1"]),
        ("lxgit log t", ["tuned"]),
        ("lxgit log -n 5 base:", ["base:v1"]),
        ("lxgit branch -d ", ["base", "tuned"]),
        ("lxgit tag -d ", ["base/v1", "base:v1"]),
        ("lxgit tag -d base:v1 --delete base:", ["base:v1"]),
        ("lxgit tag new ", ["base", "tuned", "base/v1", "base:v1"]),
        ("lxgit run --rm b", ["base", "base/v1", "base:v1"]),
        ("lxgit run base b", []),
        ("lxgit run --network h", ["host"]),
        ("lxgit diff --format=", ["--format=text", "--format=json"]),
        ("lxgit show tuned:/et", ["tuned:/etc/"]),
        ("lxgit ls tuned:/etc/m", ["tuned:/etc/motd", "tuned:/etc/mtab"]),
        ("lxgit show nowhere:/e", []),
        ("lxgit import ", [":files"]),
        ("lxgit import x ", ["base", "tuned"]),
    ],
)
def test_names_of_a_store(grown: Lxgit, line: str, words: list[str]) -> None:
    grown("tag", "base:v1", "base")
    told = grown("__complete", line).lines
    assert [candidate.partition("\t")[0] for candidate in told] == words


@pytest.mark.root
@pytest.mark.overlay
@pytest.mark.lxc
def test_containers_of_a_store(based: Lxgit) -> None:
    based("run", "--name", "web", "base", "true")
    for line in ("lxgit start w", "lxgit rm ", "lxgit status w", "lxgit commit "):
        assert based("__complete", line).out == "web\tcontainer\n"
    for line in ("lxgit restore ", "lxgit cp w"):
        assert based("__complete", line).out == "web:\tcontainer\n"
    for line in (
        "lxgit restore web:/et",
        "lxgit restore --source base web:/et",
        "lxgit cp web:/et",
    ):
        assert based("__complete", line).out == "web:/etc/\tdirectory\n"
    assert based("__complete", "lxgit diff ").lines == ["base\tbranch", "web\tcontainer"]
    assert based("__complete", "lxgit checkout ").lines[0] == "base\tbranch"
