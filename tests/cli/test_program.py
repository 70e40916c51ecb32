"""The real program: exit codes, what goes where, and standard output that fails."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from textwrap import dedent
from typing import TYPE_CHECKING

import pytest

import lxgit as package
from lxgit.cli.commands import COMMON, GROUPS, Family, entries, first_words
from tests.support.program import PROGRAM

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.program import Lxgit


@pytest.mark.parametrize("words", [["--version"], ["--store", "/nowhere", "--version"]])
def test_version(lxgit: Lxgit, words: list[str]) -> None:
    result = lxgit(*words)
    assert result.out == f"lxgit {package.__version__}\n"
    assert result.err == ""


def sections(text: str) -> dict[str, list[tuple[str, str]]]:
    """Commands with their summaries, by the headings of a help."""
    found = {}
    for part in text.split("\n\n"):
        title, *lines = part.splitlines()
        if title.endswith(":") and title != "Options:":
            words = (line.split(maxsplit=1) for line in lines)
            found[title] = [(name, summary) for name, summary in words]
    return found


@pytest.mark.parametrize("words", [["log"], ["rm", "web"], ["stash", "list"], ["container", "ls"]])
def test_h_asks_for_help_where_it_is_nothing_else(lxgit: Lxgit, words: list[str]) -> None:
    """Of `run` it is the host name, as in Docker."""
    assert lxgit(*words, "-h").out == lxgit(*words, "--help").out
    assert "requires an argument" in lxgit("run", "-h", code=2).err


@pytest.mark.parametrize("words", [[], ["--help"], ["-h"], ["help"], ["--store=/nowhere"]])
def test_the_overview_lists_what_is_common_and_where_the_rest_is(
    lxgit: Lxgit, words: list[str]
) -> None:
    result = lxgit(*words)
    listed = sections(result.out)
    assert [name for lines in listed.values() for name, _ in lines] == [
        each.name for each in entries() if each.name in COMMON.split()
    ]
    every = sections(lxgit("help", "--all").out)
    for title, lines in listed.items():
        assert set(lines) <= set(every[title])
    assert "'lxgit help --all' lists every command." in result.out
    families = [each.name for each in entries() if isinstance(each, Family)]
    assert f"of their own\n({', '.join(families)}).\n" in result.out
    assert len(result.lines) <= 55  # on one screen
    assert max(map(len, result.lines)) < 80
    assert result.err == ""


def test_what_is_common_is_there() -> None:
    assert {each.name for each in entries()} >= set(COMMON.split())


def test_every_command_is_listed(lxgit: Lxgit) -> None:
    result = lxgit("help", "--all")
    assert lxgit("help", "-a").out == result.out
    for title in GROUPS:
        assert f"{title}:" in result.lines
    for name, summary in first_words():
        assert any(line.split(maxsplit=1) == [name, summary] for line in result.lines)
    assert max(map(len, result.lines)) < 80


INTERRUPTED_BY_AN_IMPORT = """
    import sys
    sys.path[:] = sys.argv[3:]
    def interrupt(event, arguments):  # whoever imports a module
        if event == "import" and arguments[0] == sys.argv[1]:
            exec(sys.argv[2])
    sys.addaudithook(interrupt)
    from lxgit.cli.main import main
    assert "typing" not in sys.modules
    sys.exit(main(["ps"]))
"""
INTERRUPT = "import os, signal; os.kill(os.getpid(), signal.SIGINT)"


def interrupted(scratch: Path, module: str, how: str) -> tuple[int, bytes]:
    """Exit code and standard error of a `ps` to which that happens when it imports a module."""
    command = [sys.executable, "-IS", "-c", dedent(INTERRUPTED_BY_AN_IMPORT), module, how]
    done = subprocess.run([*command, *sys.path], capture_output=True, cwd=scratch, check=False)
    return done.returncode, done.stderr


def test_an_interrupt_before_there_is_anything_to_interrupt(scratch: Path) -> None:
    """It dies of the signal, as any program does, and shows nobody where Python was."""
    code, told = interrupted(scratch, "lxgit.cli.dispatch", INTERRUPT)
    assert (code, told) == (-signal.SIGINT, b"")


def test_an_interrupt_where_exceptions_are_dropped(scratch: Path) -> None:
    destructor = f"""
        class Fragile:
            def __del__(self):
                {INTERRUPT}
                return len(str(self))
        Fragile()
        import time
        time.sleep(30)
    """
    code, told = interrupted(scratch, "lxgit.operations.containers", dedent(destructor))
    assert (code, told) == (130, b"")


def test_python_runs_the_package(lxgit: Lxgit) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "lxgit", "--version"], check=True, capture_output=True, text=True
    )
    assert done.stdout == lxgit("--version").out


@pytest.mark.parametrize(
    "words", [["help", "completion"], ["completion", "--help"], ["completion", "-x", "--help"]]
)
def test_help_of_a_command(lxgit: Lxgit, words: list[str]) -> None:
    result = lxgit(*words)
    assert result.lines[0].startswith("Usage: lxgit completion [OPTIONS]")
    assert '    eval "$(lxgit completion bash)"' in result.out
    assert result.err == ""


@pytest.mark.parametrize(
    "words", [["container"], ["container", "--help"], ["container", "-h"], ["help", "container"]]
)
def test_a_family_lists_its_commands(lxgit: Lxgit, words: list[str]) -> None:
    result = lxgit(*words)
    assert result.lines[0] == "Usage: lxgit container COMMAND [ARGUMENT]..."
    assert {"ls", "rm", "start"} <= {line.split()[0] for line in result.lines[2:-2]}
    assert lxgit("help", "container", "ls").out == lxgit("container", "ls", "--help").out


@pytest.mark.parametrize("family", [each for each in entries() if isinstance(each, Family)])
def test_what_a_family_shares_is_there(family: Family) -> None:
    assert len(family.members()) == len(family.own) + len(family.same.split())


@pytest.mark.parametrize(
    ("words", "fault", "hint"),
    [
        (["brnch"], "'brnch' is not a command", "did you mean 'branch'?"),
        (["zzz"], "'zzz' is not a command", "'lxgit help --all' lists the commands"),
        (
            ["clone", "base"],
            "'clone' is not a command",
            "'lxgit pull [HOST/]IMAGE [NAME]' fetches an image and its history",
        ),
        (
            ["image", "prune"],
            "'image prune' is not a command",
            "'lxgit rmi' takes names away, 'lxgit gc' drops what has none, at once with --now",
        ),
        (["help", "brnch"], "'brnch' is not a command", "did you mean 'branch'?"),
        (
            ["container", "renam"],
            "'container renam' is not a command",
            "did you mean 'container rename'?",
        ),
        (["contaner"], "'contaner' is not a command", "did you mean 'container'?"),
        (
            ["container", "zzzzzz"],
            "'container zzzzzz' is not a command",
            "'lxgit help container' lists the commands",
        ),
        (
            ["stash", "only"],
            "'stash only' is not a command",
            "'lxgit help stash' lists the commands; of a container it is 'lxgit stash push only'",
        ),
        (["stash", "puhs"], "'stash puhs' is not a command", "did you mean 'stash push'?"),
        (["stash", "-x"], "no such option: -x", "lxgit stash push --help"),
        (["container", "ls", "-x"], "no such option: -x", "lxgit container ls --help"),
        (
            ["run", "--gpus", "all", "base"],
            "no such option: --gpus",
            "--device gives it the device nodes: --device /dev/dri/renderD128",
        ),
        (
            ["commit", "--amend"],
            "no such option: --amend",
            "'lxgit undo' takes back the commit just made: the container has its changes",
        ),
        (
            ["diff", "--cached"],
            "no such option: --cached",
            "there is no index: without it all is shown",
        ),
        (
            ["status", "-sb"],
            "no such option: -s",
            "'lxgit diff --name-status CONTAINER' is short; --format json is for programs",
        ),
        (["-x"], "unknown option '-x'", "lxgit --help"),
        (["-v"], "unknown option '-v'", "lxgit --version"),
        (["--store"], "--store needs a directory", "lxgit --store DIR COMMAND"),
        (
            ["completion"],
            "missing argument 'SHELL'. Choose from: bash, zsh, fish",
            "lxgit completion --help",
        ),
        (
            ["completion", "ksh"],
            "invalid value for 'SHELL': 'ksh' is not one of 'bash', 'zsh', 'fish'",
            "lxgit completion --help",
        ),
        (["completion", "-help"], "unknown option '-help'", "did you mean '--help'?"),
        (["b\x1b[2J"], "'b\\x1b[2J' is not a command", "'lxgit help --all' lists the commands"),
    ],
)
def test_usage_errors(lxgit: Lxgit, words: list[str], fault: str, hint: str) -> None:
    result = lxgit(*words, code=2)
    assert result.err == f"lxgit: {fault}\nhint: {hint}\n"
    assert result.out == ""


@pytest.mark.parametrize("command", ["nope", "describe"])
def test_a_fault_is_told_where_the_working_directory_is_gone(
    lxgit: Lxgit, scratch: Path, command: str
) -> None:
    done = subprocess.run(
        ["/bin/sh", "-c", f"mkdir gone; cd gone; rmdir ../gone; exec {PROGRAM} {command}"],
        capture_output=True,
        text=True,
        env=lxgit.environment({"LXGIT_STORE": "store"}),
        cwd=scratch,
        check=False,
    )
    lines = done.stderr.splitlines()
    assert lines[0] == f"lxgit: '{command}' is not a command"
    assert [line[:6] for line in lines[1:]] == ["hint: "]
    assert done.returncode == 2


@pytest.fixture(
    params=[([], {}), (["--version"], {}), (["--version"], {"PYTHONUNBUFFERED": "1"})],
    ids=["overview", "version", "unbuffered"],
)
def answer(request: pytest.FixtureRequest) -> tuple[list[str], dict[str, str]]:
    """A command line that does no more than answer, and what its environment has besides."""
    words, more = request.param
    return words, more


def with_output(
    lxgit: Lxgit, answer: tuple[list[str], dict[str, str]], open_output: Callable[[], int]
) -> subprocess.CompletedProcess[str]:
    """The answer, written to a descriptor."""
    words, more = answer
    fd = open_output()
    try:
        return subprocess.run(
            [PROGRAM, *words],
            stdout=fd,
            stderr=subprocess.PIPE,
            env=lxgit.environment(more),
            text=True,
            check=False,
        )
    finally:
        os.close(fd)


def test_a_full_disk_is_told(lxgit: Lxgit, answer: tuple[list[str], dict[str, str]]) -> None:
    done = with_output(lxgit, answer, lambda: os.open("/dev/full", os.O_WRONLY))
    assert done.stderr == "lxgit: cannot write the output: no space left on device\n"
    assert done.returncode == 1


def test_a_closed_pipe_is_silent(lxgit: Lxgit, answer: tuple[list[str], dict[str, str]]) -> None:
    def closed_pipe() -> int:
        reader, writer = os.pipe()
        os.close(reader)
        return writer

    done = with_output(lxgit, answer, closed_pipe)
    assert done.stderr == ""
    assert done.returncode == 141


def test_closed_descriptors(lxgit: Lxgit, answer: tuple[list[str], dict[str, str]]) -> None:
    words, more = answer
    shell = f"{' '.join(map(str, (PROGRAM, *words)))} >&-"
    done = subprocess.run(
        ["/bin/sh", "-c", shell],
        capture_output=True,
        text=True,
        env=lxgit.environment(more),
        check=False,
    )
    assert done.stderr == "lxgit: cannot write the output: bad file descriptor\n"
    assert done.returncode == 1
    done = subprocess.run(
        ["/bin/sh", "-c", f"{PROGRAM} brnch 2>&-"],
        capture_output=True,
        text=True,
        env=lxgit.environment(),
        check=False,
    )
    assert (done.stdout, done.returncode) == ("", 2)
