"""On a terminal: the pager, colours, progress. Elsewhere: none of them."""

from __future__ import annotations

import os
import pty
import sys
import time
from typing import TYPE_CHECKING

import pexpect
import pytest

from lxgit.cli.progress import ProgressLine, QuietProgress, picture, show_progress

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.program import Lxgit

PAGED = """
import sys
from lxgit.cli.output import Output
from lxgit.cli.session import Session
from lxgit.cli import dispatch

def paged(session, words):
    session.page()
    for number in range(int(words[0])):
        session.out.line(f"line {number} {'coloured' if session.colour else 'plain'}")
    return 3

dispatch._dispatch = paged
sys.exit(dispatch.run_command_line(sys.argv[1:]))
"""
"""The way in, with a command that pages as many lines as it is told."""


def page(lxgit: Lxgit, lines: int, **env: str) -> pexpect.spawn[str]:
    return pexpect.spawn(
        sys.executable,
        ["-c", PAGED, str(lines)],
        env=lxgit.environment({"TERM": "xterm", **env}),
        encoding="utf-8",
        timeout=60,
    )


def test_the_pager_gets_the_answer(lxgit: Lxgit) -> None:
    with page(lxgit, 3, PAGER="sed 's/^/paged: /'; echo $LESS") as terminal:
        terminal.expect("paged: line 0 coloured")
        terminal.expect("paged: line 2 coloured")
        terminal.expect("FRX")
        terminal.expect(pexpect.EOF)
    assert terminal.exitstatus == 3


def test_a_pager_gets_no_colours_that_the_user_does_not_want(lxgit: Lxgit) -> None:
    with page(lxgit, 1, PAGER="sed 's/^/paged: /'", NO_COLOR="1") as terminal:
        terminal.expect("paged: line 0 plain")
        terminal.expect(pexpect.EOF)


def test_a_pager_that_stops_reading_is_no_fault(lxgit: Lxgit) -> None:
    with page(lxgit, 1_000_000, PAGER="head -1") as terminal:
        terminal.expect("line 0")
        terminal.expect(pexpect.EOF)
        assert "lxgit:" not in terminal.before
    assert terminal.exitstatus == 0


@pytest.mark.parametrize("pager", ["", "cat"])
def test_no_pager(lxgit: Lxgit, pager: str) -> None:
    with page(lxgit, 1, PAGER=pager, NO_COLOR="1") as terminal:
        terminal.expect("line 0 plain")
        terminal.expect(pexpect.EOF)
    assert terminal.exitstatus == 3


def test_interrupting_is_the_pagers(lxgit: Lxgit) -> None:
    with page(lxgit, 3, PAGER="cat; echo ready; read answer </dev/tty") as terminal:
        terminal.expect("ready")  # only then is the shell alone, with nothing else to wait for
        terminal.sendintr()  # ends the shell, not lxgit
        terminal.expect(pexpect.EOF)
    assert terminal.exitstatus == 3


@pytest.mark.parametrize(
    ("label", "done", "total", "text"),
    [
        ("Reading", 0, None, "Reading"),
        ("Reading", 12345, None, "Reading  12,345"),
        ("Reading", 0, 0, "Reading"),
        ("Reading", 50, 100, "Reading  [############............]  50%"),
        ("Reading", 999, 1000, "Reading  [#######################.]  99%"),
        ("Reading", 11, 10, "Reading  [########################] 100%"),
        ("a\x1b", 0, None, "a\\x1b"),
    ],
)
def test_pictures(label: str, done: int, total: int | None, text: str) -> None:
    assert picture(label, done, total) == text


def drawn(monkeypatch: pytest.MonkeyPatch, seconds: float) -> str:
    """What an operation draws on a terminal that advances ten times in that time."""
    leader, follower = pty.openpty()
    try:
        now = [0.0]
        monkeypatch.setattr(time, "monotonic", lambda: now[0])
        line = ProgressLine(follower)
        line.phase("Reading files", 10)
        for _ in range(10):
            now[0] += seconds / 10
            line.advance()
        line.clear()
        os.write(follower, b"!")
        text = b""
        while not text.endswith(b"!"):  # a terminal hands over in its own time
            text += os.read(leader, 10_000)
        return text.decode()
    finally:
        os.close(leader)
        os.close(follower)


def test_what_is_quick_draws_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert drawn(monkeypatch, 0.9) == "!"


def test_what_takes_longer_draws_a_line_and_takes_it_away(monkeypatch: pytest.MonkeyPatch) -> None:
    text = drawn(monkeypatch, 2)
    assert text.startswith("\r\x1b[KReading files  [############............]  50%")
    assert text.endswith("100%\r\x1b[K!")
    assert text.count("Reading") == 6


def test_without_a_terminal_only_warnings_are_told(capfd: pytest.CaptureFixture[str]) -> None:
    with show_progress() as progress:
        assert isinstance(progress, QuietProgress)
        progress.phase("Reading files", 10)
        progress.advance()
        progress.warn("3 sockets were left out")
    assert capfd.readouterr().err == "lxgit: warning: 3 sockets were left out\n"


def test_a_warning_does_not_mix_with_the_line(tmp_path: Path) -> None:
    code = (
        "from lxgit.cli import progress\n"
        "progress._DELAY = -1\n"
        "with progress.show_progress() as shown:\n"
        "    shown.phase('Reading')\n"
        "    shown.warn('beware')\n"
    )
    command = [sys.executable, "-c", code]
    with pexpect.spawn(
        command[0], command[1:], encoding="utf-8", timeout=60, env=os.environ | {"TERM": "xterm"}
    ) as terminal:
        terminal.expect(pexpect.EOF)
        assert terminal.before == "\r\x1b[KReading\r\x1b[Klxgit: warning: beware\r\n"
