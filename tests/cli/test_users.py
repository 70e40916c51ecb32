"""Who a command is: user, groups and capabilities, as the image and its options have them."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.processes import parent
from tests.support.program import refused
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from tests.support.program import Lxgit, Result

pytestmark = [pytest.mark.root, pytest.mark.overlay, pytest.mark.lxc]


def run_until_killed(lxgit: Lxgit, name: str, *options: str) -> None:
    """Have a container run, whose command has begun: process 1 is who it is from then on."""
    lxgit("run", "-d", "--name", name, *options, "base", "sleep", "600")
    wait_until(lambda: not lxgit("exec", name, "pidof", "sleep", code=None).code)


@pytest.mark.parametrize("options", [(), ("--cap-drop", "ALL", "--init"), ("--userns", "host")])
def test_a_user_has_all_groups_and_no_capability(emptied: Lxgit, options: tuple[str, ...]) -> None:
    script = "echo web:x:40:nobody,x >>/etc/group; echo odd:x:4:nobody >>/etc/group"
    emptied("run", "--name", "made", "base", "sh", "-c", script)
    emptied("commit", "-m", "Groups", "made")
    run_until_killed(emptied, "web", "-u", "nobody", *options)
    of_init = status(emptied("exec", "web", "cat", "/proc/1/status"))
    of_other = status(emptied("exec", "-u", "nobody:40", "web", "cat", "/proc/self/status"))
    assert of_init["Groups"] == "4 40"
    assert of_other["Groups"] == ""
    assert of_other["Gid"] == "40 40 40 40"
    bounding = "0" * 16 if "ALL" in options else "00000000800405fb"
    for one in (of_init, of_other):
        assert one["Uid"] == "65534 65534 65534 65534"
        assert one["CapEff"] == one["CapPrm"] == "0" * 16
        assert one["CapBnd"] == bounding


def test_groups_more_come_with_it(emptied: Lxgit) -> None:
    """For every command in it; root stays what it is."""
    emptied("run", "--name", "made", "base", "sh", "-c", "echo odd:x:4:nobody >>/etc/group")
    emptied("commit", "-m", "Groups", "made")
    groups = ("--group-add", "odd", "--group-add", "77")
    for user, capabilities in (("root", "00000000800405fb"), ("nobody", "0" * 16)):
        run_until_killed(emptied, user, "-u", user, *groups)
        for process in ("1", "self"):
            seen = status(emptied("exec", user, "cat", f"/proc/{process}/status"))
            assert (seen["Groups"], seen["CapEff"]) == ("4 77", capabilities)
    assert emptied("inspect", "root").json[0]["HostConfig"]["GroupAdd"] == ["odd", "77"]
    refused = emptied("run", "--group-add", "nope", "base", "true", code=125)
    assert "the image has no group 'nope'" in refused.err


def test_a_number_beyond_the_usual_ones(emptied: Lxgit) -> None:
    """It gets an id of the host of its own, and keeps it on another commit."""
    script = "id -u; id -g; id -G; echo x >/tmp/own"
    who = ("-u", "70000:80000", "--group-add", "99999")
    told = emptied("run", "--network", "none", "--name", "odd", *who, "base", "sh", "-c", script)
    assert told.lines == ["70000", "80000", "80000 99999"]
    emptied("commit", "-m", "x", "odd")
    owner = ("stat", "-c", "%u:%g", "/tmp/own")
    assert emptied("run", "--rm", "--network", "none", "base", *owner).out == "70000:80000\n"
    emptied("checkout", "base~1", "odd")
    assert emptied("start", "-a", "odd").lines == told.lines
    run_until_killed(emptied, "web", "--network", "none")
    refused(
        emptied("exec", "-u", "65536", "web", "true", code=125),
        "the container has no id 65536",
        "--userns=host those of the host",
    )


def status(told: Result) -> dict[str, str]:
    """What /proc/PID/status has, its values with a space between words."""
    pairs = (line.split(":", 1) for line in told.lines)
    return {name: " ".join(value.split()) for name, value in pairs}


def test_no_new_privileges_for_whoever_it_is(emptied: Lxgit) -> None:
    for value in ("no-new-privileges", "no-new-privileges:false"):
        run_until_killed(emptied, "web", "--security-opt", value)
        seen = [
            status(emptied("exec", *options, "web", "cat", "/proc/self/status"))["NoNewPrivs"]
            for options in ((), ("-u", "nobody"))
        ]
        seen.append(status(emptied("exec", "web", "cat", "/proc/1/status"))["NoNewPrivs"])
        assert seen == ["0" if value.endswith("false") else "1"] * 3
        emptied("rm", "-f", "web")
    for words in ("seccomp=/etc/passwd", "apparmor=a\nb", "nothing"):
        refused = emptied("run", "--security-opt", words, "base", "true", code=2)
        assert "--security-opt knows nothing of '" in refused.err


def test_every_system_call_for_whom_it_was_asked(emptied: Lxgit) -> None:
    """And nothing else that keeps it apart: capabilities, ids and mounts are as ever."""
    run_until_killed(emptied, "web")
    free = ("--security-opt", "seccomp=unconfined", "--security-opt", "apparmor:unconfined")
    run_until_killed(emptied, "free", *free)
    for name, mode in (("web", "2"), ("free", "0")):
        for process in ("1", "self"):
            seen = status(emptied("exec", name, "cat", f"/proc/{process}/status"))
            assert (seen["Seccomp"], seen["CapBnd"]) == (mode, "00000000800405fb")
    new = ("unshare", "-U", "true")  # a user namespace of its own
    emptied("exec", "web", *new, code=1)
    emptied("exec", "free", *new)
    found = emptied("inspect", "free").json[0]["HostConfig"]["SecurityOpt"]
    assert found == ["seccomp=unconfined", "apparmor=unconfined"]


def test_a_users_command_goes_with_its_supervisor(emptied: Lxgit) -> None:
    """The kernel forgets the signal that LXC asked for when a process changes its user."""
    run_until_killed(emptied, "web", "-u", "nobody")
    process = int(emptied("inspect", "--format", "{{.State.Pid}}", "web").out)
    starter = parent(process)  # lxc-start, which also goes with its parent
    os.kill(parent(starter), signal.SIGKILL)
    wait_until(lambda: not Path(f"/proc/{process}").exists())
