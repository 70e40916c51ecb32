"""What becomes of an error."""

from __future__ import annotations

import errno
import os

import pytest

from lxgit.cli.output import OutputFailed
from lxgit.cli.report import fault, printable, tell
from lxgit.errors import LxgitError, UsageError


def system_error(code: int, *names: str | bytes | None) -> OSError:
    """As the system call's wrapper raises it."""
    first, second = (*names, None, None)[:2]
    return OSError(code, os.strerror(code), first, None, second)


AS_ROOT = None if os.geteuid() == 0 else "run it as root: sudo lxgit …"


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (LxgitError("it broke", hint="mend it"), ("it broke", "mend it", 1)),
        (UsageError("no"), ("no", None, 2)),
        (
            system_error(errno.ENOSPC, b"/store/x"),
            (
                "/store/x: no space left on device",
                "free some space ('lxgit prune' drops cached layers), then try again",
                1,
            ),
        ),
        (
            system_error(errno.EACCES, "/etc/shadow"),
            ("/etc/shadow: permission denied", AS_ROOT, 1),
        ),
        (system_error(errno.ENOENT, "a", "b"), ("a: b: no such file or directory", None, 1)),
        (system_error(errno.ELOOP), ("too many levels of symbolic links", None, 1)),
        (OSError("odd"), ("odd", None, 1)),
    ],
)
def test_faults(error: LxgitError | OSError, told: tuple[str, str | None, int]) -> None:
    assert fault(error) == told


def test_output_that_fails() -> None:
    error = OutputFailed()
    error.__cause__ = system_error(errno.EIO)
    assert fault(error) == ("cannot write the output: input/output error", None, 1)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain é 日", "plain é 日"),
        ("a\x1b[2J\x7f\x9b", "a\\x1b[2J\\x7f\\x9b"),
        ("two\nlines\tand", "two\\nlines\\tand"),
        (b"\xff".decode("utf-8", "surrogateescape"), "\\xff"),
        ("a\u202eb", "a\\u202eb"),
        ("\U000e0001", "\\U000e0001"),
    ],
)
def test_control_characters_are_spelled(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_what_is_kept_stays() -> None:
    assert printable("\tif x:\x1b\n", keep="\t") == "\tif x:\\x1b\\n"


def test_a_fault_is_one_line(capfd: pytest.CaptureFixture[str]) -> None:
    tell("no 'x\nlxgit: all is well'", hint="y\nhint: none")
    assert capfd.readouterr().err == "lxgit: no 'x\\nlxgit: all is well'\nhint: y\\nhint: none\n"
