"""checkout REV CONTAINER, reset, restore, pause and the options of commit, as they are typed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.program import Lxgit

pytestmark = [pytest.mark.root, pytest.mark.overlay, pytest.mark.lxc]

KEPT = (
    r"lxgit: what it was is kept as ([0-9a-f]{12})\n"
    r"hint: 'lxgit restore --source \1 web:/' brings all of it back\n"
)


@pytest.fixture
def web(grown: Lxgit) -> Lxgit:
    """A container `web` of HEAD's branch, which has added /srv/index."""
    grown("run", "--network", "none", "--name", "web", "HEAD", "sh", "-c", "echo hi >/srv/index")
    return grown


def paths(lxgit: Lxgit) -> list[str]:
    """What the container has changed."""
    return [line.split()[1] for line in lxgit("diff", "web", "--name-status").lines]


def test_checkout_of_a_container(web: Lxgit) -> None:
    refused = web("checkout", "base", "web", code=1)
    assert refused.err == (
        "lxgit: container 'web' has changes\nhint: '--merge' carries them over;"
        " 'lxgit commit' or 'lxgit reset --hard' first\n"
    )
    moved = web("checkout", "--merge", "base", "web")
    assert re.fullmatch(
        r"Container web \(\w{12}\): \w{12} -> \w{12}, on branch 'base'\n"
        r"Carried the changes of 1 path over\n",
        moved.out,
    )
    assert re.fullmatch(KEPT, moved.err)
    assert paths(web) == ["/srv/index"]
    assert web("branch", "--show-current").out == "tuned\n"
    assert web("checkout", "-q", "--merge", "tuned", "web").out == ""


def test_conflicts_are_named(web: Lxgit) -> None:
    web("run", "--network", "none", "--name", "other", "base", "sh", "-c", "echo x >/etc/motd")
    refused = web("checkout", "-m", "tuned", "other", code=1)
    assert refused.err.startswith("lxgit: both have changed /etc/motd\nhint: ")


def test_reset_and_back(web: Lxgit) -> None:
    assert "hint: lxgit reset --hard web\n" in web("reset", "web", code=2).err
    done = web("reset", "--hard", "web")
    assert re.fullmatch(r"Container web \(\w{12}\): dropped 1 path\n", done.out)
    kept = re.fullmatch(KEPT, done.err)
    assert kept is not None
    assert paths(web) == []
    assert web("reset", "--hard", "web").err == ""
    web("restore", "--source", kept[1], "web:/")
    assert paths(web) == ["/srv/index"]


def test_restore(web: Lxgit) -> None:
    done = web("restore", "-s", "base", "/etc/motd", "/etc/logo")
    assert done.out.endswith(": restored 2 paths\n")
    assert paths(web) == ["/etc/logo", "/etc/motd", "/srv/index"]
    assert web("restore", "web:/etc").out.endswith(": restored 2 paths\n")
    assert web("restore", "web:/etc").out.endswith(": restored 0 paths\n")
    assert paths(web) == ["/srv/index"]


@pytest.mark.parametrize(
    ("words", "code", "error"),
    [
        (["restore", "web:etc"], 2, "'web:etc' is no path"),
        (["restore", "web:/etc", "/etc"], 2, "these are paths of several containers"),
        (["restore", "web:/nowhere"], 1, "there is no '/nowhere' in the commit, nor here"),
        (["restore", "--source", "web", "web:/etc"], 1, "'web' is a container"),
        (["checkout", "-b", "new", "base", "web"], 2, "a container is moved to a commit"),
        (["checkout", "--merge", "base"], 2, "a container is moved to a commit"),
        (["checkout", "nothing", "web"], 1, "there is no 'nothing'"),
        (["commit", "-m", "x", "--change", "RUN x", "web"], 1, "line 1, RUN: there is no such"),
        (["commit", "-m", "x", "--run", "[]", "web"], 1, "this is no JSON object"),
        (["unpause", "web"], 1, "container 'web' is not running"),
    ],
)
def test_faults(web: Lxgit, words: list[str], code: int, error: str) -> None:
    assert web(*words, code=code).err.startswith(f"lxgit: {error}")


@pytest.fixture
def running(web: Lxgit) -> Iterator[Lxgit]:
    """The same with a container `up`, which runs."""
    web("run", "-d", "--network", "none", "--name", "up", "HEAD", "sleep", "600")
    yield web
    web("rm", "-f", "up", code=None)


def test_pause(running: Lxgit) -> None:
    assert running("pause", "up").out == "up\n"
    assert re.search(r"  Up \w[\w ]* \(Paused\)  ", running("ps").lines[1])
    (row,) = running("ps", "--format", "json").json
    assert row["status"] == "paused"
    refused = running("exec", "up", "true", code=1)
    assert refused.err == "lxgit: container 'up' is paused\nhint: 'lxgit unpause up' first\n"
    assert running("pause", "up", code=1).err == "lxgit: container 'up' is paused already\n"
    assert running("unpause", "up").out == "up\n"
    running("exec", "up", "true")


@pytest.mark.parametrize("pause", ["--pause", "--pause=false"])
def test_commit_of_a_running_one(running: Lxgit, pause: str) -> None:
    running("exec", "up", "sh", "-c", "echo x >/srv/x")
    config = ("--change", 'CMD ["cat", "/srv/x"]', "--run", '{"User": "nobody", "Dns": ["::1"]}')
    made = running("commit", "-m", "It runs", pause, *config, "up", "new")
    assert made.err == "lxgit: warning: an image has no place for Dns: left out\n"
    assert running("status", "up").lines[-1] == "  no changes"
    assert running("run", "--rm", "--network", "none", "new").out == "x\n"
    for words in (["reset", "--hard", "up"], ["restore", "up:/srv"], ["checkout", "base", "up"]):
        refused = running(*words, code=1)
        assert refused.err == "lxgit: container 'up' is running\nhint: 'lxgit stop up' first\n"
