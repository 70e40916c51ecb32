"""Builds while they run: several at once, beside `builder prune`, and ended by a signal."""

from __future__ import annotations

import os
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.support.program import PROGRAM
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.program import Lxgit

pytestmark = [pytest.mark.root, pytest.mark.overlay, pytest.mark.lxc]


def test_several_builds_at_once(based: Lxgit, context: Path) -> None:
    """They agree on what a step has come to; the name is the last one's."""
    (context / "Dockerfile").write_text("FROM base\nRUN echo x >/x; date >/date\nLABEL a=1\n")
    words = [
        str(PROGRAM),
        "build",
        "--network",
        "none",
        "--no-cache",
        "-q",
        "-t",
        "web",
        str(context),
    ]
    running = [
        subprocess.Popen(words, env=based.environment(), stdout=subprocess.PIPE) for _ in range(3)
    ]
    made = {one.communicate()[0] for one in running}
    assert [one.returncode for one in running] == [0, 0, 0]
    assert based("rev-parse", "web").out.encode() in made
    assert not based("fsck").err


def test_what_a_running_build_relies_on_is_not_forgotten(based: Lxgit, context: Path) -> None:
    (context / "Dockerfile").write_text("FROM base\nLABEL a=1\n")
    based("build", "-q", context)
    (context / "Dockerfile").write_text("FROM base\nLABEL a=1\nRUN echo x >/x; sleep 1000\n")
    words = [str(PROGRAM), "build", "--network", "none", str(context)]
    with subprocess.Popen(words, env=based.environment(), stdout=subprocess.PIPE) as process:
        wait_until(lambda: based("ps", "-q").lines != [])
        refused = based("builder", "prune", "-a", "-f", code=1).err
        process.terminate()
    assert f"in use by process {process.pid} (" in refused
    wait_until(lambda: "Forgot 1 steps" in based("builder", "prune", "-a", "-f", code=None).out)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_a_build_that_is_ended_leaves_nothing(
    based: Lxgit, context: Path, number: signal.Signals
) -> None:
    (context / "Dockerfile").write_text("FROM base\nRUN echo x >/x; sleep 1000\n")
    words = [os.fspath(word) for word in (PROGRAM, "build", "--network", "none", context)]
    with subprocess.Popen(words, env=based.environment(), stdout=subprocess.PIPE) as process:
        wait_until(lambda: based("ps", "-q").lines != [])
        process.send_signal(number)
    wait_until(lambda: based("ps", "-aq").lines == [])
    (context / "Dockerfile").write_text("FROM base\nRUN echo x >/x\n")
    made = based("build", "--network", "none", "-q", context).out.strip()
    assert based("run", "--rm", "--network", "none", made, "cat", "/x").out == "x\n"
    based("prune")
    assert not [name for name in os.listdir(based.store / "tmp") if name.startswith("owner-")]
    assert not based("fsck").err
