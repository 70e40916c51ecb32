"""--rm: containers that go when they end; rm, of those and of others."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from lxgit.runtime.attach import connect
from lxgit.runtime.containers import edited
from tests.support.program import PROGRAM
from tests.support.stores import find
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from lxgit.runtime.containers import Container
    from tests.support.program import Lxgit

pytestmark = [pytest.mark.root, pytest.mark.overlay, pytest.mark.lxc]

RUN = ("run", "-d", "--network", "none", "--name")
GOES = ("run", "-d", "--rm", "--network", "none", "--name")
SOON = 25  # seconds: who waits for a lock that nobody lets go of gives up after 30
LIVES = "trap 'exit 5' TERM; echo life >> /lives; while :; do sleep 0.05; done"


def names(lxgit: Lxgit) -> set[str]:
    return {row["name"] for row in lxgit("ps", "-a", "--format", "json").json}


def found(lxgit: Lxgit, name: str) -> dict[str, Any]:
    (only,) = lxgit("inspect", name).json
    assert isinstance(only, dict)
    return only


def has_lived(lxgit: Lxgit, name: str, times: int) -> None:
    """Wait until the command of a container has begun so often."""
    read = ("exec", name, "cat", "/lives")
    wait_until(lambda: lxgit(*read, code=None).out == "life\n" * times)


def test_a_restart_keeps_what_was_changed(emptied: Lxgit) -> None:
    """Running it goes on as one that goes when it ends, as with Docker."""
    emptied(*GOES, "web", "base", "sh", "-c", LIVES)
    has_lived(emptied, "web", 1)
    before = found(emptied, "web")
    assert emptied("restart", "web").out == "web\n"
    has_lived(emptied, "web", 2)
    after = found(emptied, "web")
    assert after["Id"] == before["Id"]
    assert after["HostConfig"]["AutoRemove"]
    emptied("restart", "-t", "0", "web")
    has_lived(emptied, "web", 3)
    emptied("stop", "web")
    assert names(emptied) == set()
    assert emptied("fsck").code == 0


def test_a_restart_that_fails_leaves_it_as_it_is(emptied: Lxgit) -> None:
    """What was changed is there; another start has it go when it ends."""
    emptied(*GOES, "web", "base", "sh", "-c", LIVES)
    has_lived(emptied, "web", 1)
    emptied("exec", "web", "mv", "/bin/sh", "/bin/other")
    assert "sh" in emptied("restart", "web", code=127).err
    assert found(emptied, "web")["State"]["Status"] == "exited"
    assert "A /lives" in emptied("container", "diff", "web").lines
    emptied("cp", "web:/bin/other", emptied.home / "sh")
    emptied("cp", emptied.home / "sh", "web:/bin/sh")
    emptied("start", "web")
    has_lived(emptied, "web", 2)
    emptied("kill", "web")
    assert names(emptied) == set()


@pytest.mark.parametrize("seconds", [0, 0.05, 0.1])
def test_ctrl_c_at_a_restart(emptied: Lxgit, seconds: float) -> None:
    """While it starts again it stays, and nobody waits for who waits for the record's lock."""
    emptied(*GOES, "web", "base", "sh", "-c", LIVES)
    has_lived(emptied, "web", 1)
    state = emptied.store / "containers" / found(emptied, "web")["Id"] / "state.json"
    before = json.loads(state.read_bytes())["started"]

    def has_ended(record: bytes) -> bool:
        """Whether it has, once: whoever looks seldom sees the next life already."""
        now = json.loads(record)
        return bool(now["status"] == "exited" or now["started"] != before)

    command = [str(PROGRAM), "restart", "web"]
    with subprocess.Popen(command, env=emptied.environment()) as restart:
        wait_until(lambda: has_ended(state.read_bytes()))
        time.sleep(seconds)
        restart.send_signal(signal.SIGINT)
        assert restart.wait(SOON) in (0, 130)
    assert names(emptied) == {"web"}


def test_a_policy_for_one_that_goes(emptied: Lxgit) -> None:
    emptied(*GOES, "web", "base", "sh", "-c", LIVES)
    refused = emptied("update", "--restart", "always", "web", code=1)
    assert refused.err == (
        "lxgit: container 'web' was run with --rm: it goes when it ends\n"
        "hint: 'lxgit run' without --rm makes one that stays\n"
    )
    emptied("update", "--restart", "no", "web")


def test_rm_of_one_that_goes_by_itself(emptied: Lxgit) -> None:
    """It is counted as any other, and its unnamed volumes go as at any other end of its."""
    emptied(*GOES, "web", "-v", "/data", "base", "sh", "-c", LIVES)
    has_lived(emptied, "web", 1)
    identity = found(emptied, "web")["Id"][:12]
    emptied(*RUN, "other", "base", "sh", "-c", LIVES)
    gone = emptied("rm", "-f", "web", "other")
    assert gone.lines[0] == f"Deleted container web ({identity}), with 1 uncommitted path."
    assert gone.lines[1].startswith("Deleted container other (")
    assert names(emptied) == set()
    assert emptied("volume", "ls", "-q").out == ""
    assert emptied("fsck").code == 0


def ended_but_held(lxgit: Lxgit, held: ExitStack) -> Container:
    """One that goes when it ends: it has, but another command, as it were, has its record."""
    lxgit(*GOES, "web", "base", "sh", "-c", LIVES)
    has_lived(lxgit, "web", 1)
    container = find(lxgit.store / "containers", "web")
    held.enter_context(edited(container))
    lxgit("exec", "web", "kill", "1", code=None)
    wait_until(lambda: not container.is_running)
    return container


@pytest.mark.timeout(300)
def test_one_that_goes_while_a_command_has_its_record(emptied: Lxgit) -> None:
    """That gets its files, as at any other; then it goes."""
    with ExitStack() as held:
        container = ended_but_held(emptied, held)
        with container.lock():
            assert (container.upper / "lives").exists()
        assert names(emptied) == {"web"}
    wait_until(lambda: names(emptied) == set())
    assert emptied("fsck").code == 0


@pytest.mark.timeout(300)
def test_one_that_is_killed_while_a_command_has_it_stand_still(emptied: Lxgit) -> None:
    """As a commit has: it lets go of what has ended, and is answered; then that goes."""
    emptied(*GOES, "web", "base", "sh", "-c", LIVES)
    has_lived(emptied, "web", 1)
    container = find(emptied.store / "containers", "web")
    with edited(container):
        with connect(container.path) as session:
            session.wait_started()
            session.hold()
            kill = subprocess.Popen([str(PROGRAM), "kill", "web"], env=emptied.environment())
            wait_until(lambda: not container.is_running)
            session.let_go()
        assert names(emptied) == {"web"}
    assert kill.wait(SOON) == 0
    assert names(emptied) == set()


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "command",
    ["start web", "commit web kept -m kept", "rm -f web", "stash push web", "cp web:/lives -"],
)
def test_a_command_at_one_that_has_just_ended(emptied: Lxgit, command: str) -> None:
    """It comes in time, or there is no such container any more: none waits for the other."""
    with ExitStack() as held:
        ended_but_held(emptied, held)
        words = [str(PROGRAM), *command.split()]
        client = subprocess.Popen(words, env=emptied.environment(), stdout=subprocess.DEVNULL)
        time.sleep(0.3)
    assert client.wait(SOON) in (0, 1)
    emptied("rm", "-f", "web", code=None)
    wait_until(lambda: names(emptied) == set())
    assert emptied("fsck").code == 0


def test_rm_beside_the_end(emptied: Lxgit) -> None:
    """Whoever of the two deletes it: it has gone, and that is what was wanted."""
    for _ in range(3):
        emptied(*GOES, "web", "base", "sh", "-c", LIVES)
        has_lived(emptied, "web", 1)
        with subprocess.Popen([str(PROGRAM), "kill", "web"], env=emptied.environment()) as kill:
            removed = emptied("rm", "-f", "web", code=None)
            assert kill.wait(SOON) in (0, 1)
        assert removed.code == 0 or "no container 'web'" in removed.err
        assert names(emptied) == set()
