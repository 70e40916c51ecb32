"""run, start, ps, rm, inspect."""

from __future__ import annotations

import hashlib
import re
import subprocess
from dataclasses import replace
from typing import TYPE_CHECKING

import pexpect
import pytest

from tests.cli.conftest import row
from tests.support.program import PROGRAM
from tests.support.stores import copied

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.program import Lxgit
    from tests.support.stockgit import StockGit

pytestmark = [pytest.mark.root, pytest.mark.overlay, pytest.mark.lxc]


@pytest.fixture
def running(based: Lxgit) -> Iterator[Lxgit]:
    """A store with a running container `web`, which reads its standard input."""
    command = ["run", "-i", "--name", "web", "base", "sh", "-c", "echo up; cat"]
    with subprocess.Popen(
        [PROGRAM, *command],
        env=based.environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as client:
        assert client.stdout is not None
        assert client.stdout.readline() == b"up\n"
        yield based
        client.communicate(timeout=60)


def test_the_command_and_its_code(based: Lxgit) -> None:
    result = based("run", "base", "/bin/echo", "hi")
    assert (result.out, result.err) == ("hi\n", "")
    assert based("run", "--rm", "base", "sh", "-c", "exit 7", code=7).out == ""
    assert (
        based("run", "--rm", "base", "sh", "-c", "sh -c 'kill -9 $$'; exit $?", code=137).out == ""
    )
    assert based("run", "--rm", "base", "no-such-program", code=127).err.startswith("lxgit: ")
    assert based("run", "--rm", "base", "/etc/motd", code=126).err.startswith("lxgit: ")
    absent = based("run", "--pull", "never", "nowhere", "true", code=125)
    assert absent.err.startswith("lxgit: there is no 'nowhere'")
    assert based("run", "--rm", "base", "ls", "-l", "/nowhere", code=1).err.startswith("ls: ")
    assert len(based("ps", "-aq").lines) == 1


def test_both_outputs_and_the_input(based: Lxgit) -> None:
    result = based(
        "run", "--rm", "base", "sh", "-c", "echo out; echo err >&2; cat", stdin=b"unseen"
    )
    assert (result.out, result.err) == ("out\n", "err\n")
    data = bytes(range(256)) * 4000
    assert based("run", "--rm", "-i", "base", "cat", stdin=data).stdout == data


def test_what_the_command_finds(based: Lxgit) -> None:
    told = based(
        *(
            "run",
            "--rm",
            "--name",
            "web",
            "-h",
            "machine",
            "-w",
            "/tmp",
            "-e",
            "A=b c",
            "-e",
            "LANG",
        ),
        *("-e", "UNSET", "-u", "nobody", "base", "sh", "-c"),
        "hostname; pwd; env; id -u",
    ).lines
    assert told[:2] == ["machine", "/tmp"]
    assert {"A=b c", "LANG=C.UTF-8"} <= set(told)
    assert not any(line.startswith("UNSET") for line in told)
    assert told[-1] == "65534"
    based("run", "--name", "short", "base", "hostname")
    assert based("start", "-a", "short").out == f"{row(based, 'short')['id'][:12]}\n"
    assert based("run", "--rm", "--entrypoint", "echo", "base", "a", "b").out == "a b\n"
    assert "names no variable" in based("run", "-e", "=x", "base", code=2).err
    assert "no such file" in based("run", "--env-file", "/none", "base", "true", code=125).err
    endless = based("run", "--env-file", "/dev/zero", "base", "true", code=2)
    assert "'/dev/zero' has more than 1 MiB" in endless.err
    assert "there is no ''" in based("run", "", "true", code=125).err


def test_head_is_the_image_by_default(based: Lxgit) -> None:
    assert based("run", "--rm", "-i", stdin=b"cat /etc/motd\n").lines[0] == "A small machine."
    assert based("run", "--rm", "HEAD", "echo", "-n", "x").out == "x"
    based("run", "--name", "one", "base~0", "true")
    assert row(based, "one")["branch"] is None
    based("run", "--name", "two", "base", "true")
    assert row(based, "two")["branch"] == "base"


def test_isolation_is_what_was_asked_for(based: Lxgit) -> None:
    inside = based("run", "--rm", "base", "cat", "/proc/self/uid_map").out.split()
    assert inside[0] == "0"
    assert inside[1] != "0"
    host = based("run", "--rm", "--userns", "host", "base", "cat", "/proc/self/uid_map").out.split()
    assert host == ["0", "0", "4294967295"]
    links = "ls /sys/class/net; grep -c : /proc/net/dev"
    apart = based("run", "--rm", "--network", "none", "base", "sh", "-c", links)
    assert apart.lines == ["lo", "1"]
    assert based("run", "--network", "void", "base", "true", code=125).err.startswith("lxgit: ")


def test_ps(running: Lxgit) -> None:
    running("run", "--name", "done", "base", "sh", "-c", "exit 3", code=3)
    lines = running("ps").lines
    assert lines[0].split() == ["ID", "IMAGE", "COMMAND", "CREATED", "STATUS", "PORTS", "NAMES"]
    assert re.fullmatch(
        r"[0-9a-f]{12} +base:latest +sh -c echo up; cat +\S.* ago +Up \S.* +web", lines[1]
    )
    assert len(lines) == 2
    lines = running("ps", "-a").lines
    assert re.search(r" Exit 3 +done$", lines[1])
    ids = running("ps", "-aq", "--no-trunc").lines
    assert [len(one) for one in ids] == [64, 64]
    assert running("ps", "-q").lines == [ids[1][:12]]
    assert row(running, "web")["status"] == "running"
    assert row(running, "done")["exit_code"] == 3
    running("run", "--name", "long", "base", "echo", *["word"] * 9)
    assert " echo word word word  " in running("ps", "-a").lines[1]
    assert f" echo{' word' * 9}  " in running("ps", "-a", "--no-trunc").lines[1]


def test_a_running_container(running: Lxgit) -> None:
    assert running("start", "-ai", "web", code=1).err.startswith(
        "lxgit: container 'web' is running"
    )
    assert running("commit", "-m", "x", "web", code=1).err.startswith(
        "lxgit: container 'web' has not changed"
    )
    refused = running("rm", "web", code=1)
    assert refused.err == "lxgit: container 'web' is running\nhint: -f kills it first\n"
    assert running("status").lines[2].endswith(", running, on base:")
    identity = row(running, "web")["id"]
    assert running("rm", "-f", "web").out == f"Deleted container web ({identity[:12]}).\n"
    assert running("ps", "-aq").out == ""


def test_back_into_a_stopped_one(based: Lxgit) -> None:
    script = "cat /count 2>/dev/null; echo x >>/count; cat"
    based("run", "--name", "web", "-i", "base", "sh", "-c", script)
    assert based("start", "-ai", "web", stdin=b"typed\n").lines == ["x", "typed"]
    based("run", "--name", "db", "base", "sh", "-c", "test -e /x && sleep 600; touch /x")
    assert based("start", "db").out == "db\n"
    assert row(based, "db")["status"] == "running"
    based("rm", "-f", "db")


def test_a_terminal(based: Lxgit) -> None:
    with based.terminal("run", "-it", "--name", "web", size=(33, 101)) as terminal:
        terminal.expect("# ")
        terminal.sendline("stty size; tty")
        terminal.expect_exact("33 101")
        terminal.expect("/dev/(pts/[0-9]+|console)")
        terminal.expect("# ")
        terminal.sendline("exit 5")
        terminal.expect(pexpect.EOF)
    assert terminal.exitstatus == 5
    with based.terminal("start", "-ai", "web") as terminal:
        terminal.expect("# ")
        terminal.sendline("exit")
        terminal.expect(pexpect.EOF)
    assert terminal.exitstatus == 0
    refused = based("run", "-it", "base", "true", code=2)
    assert refused.err.endswith("hint: leave -t out for a pipe\n")


def test_the_copy_of_a_store_is_told_of_what_runs(based: Lxgit, scratch: Path) -> None:
    based("run", "-d", "--name", "web", "base", "sleep", "600")
    other = replace(based, store=copied(based.store, scratch / "copy"))
    identity = row(based, "web")["id"]
    refused = other("start", "web", code=1).err
    assert f"another store has a container of the id {identity[:12]} that runs" in refused
    based("rm", "-f", "web")
    other("start", "web")
    other("rm", "-f", "web")


def test_several_are_started_in_order(emptied: Lxgit) -> None:
    for name in ("one", "two"):
        emptied("create", "--name", name, "base", "sleep", "600")
    refused = emptied("start", "-a", "one", "two", code=2)
    assert refused.err.startswith("lxgit: -a and -i are for one container\n")
    assert emptied("start", "one", "two").lines == ["one", "two"]
    assert emptied("ps", "--format", "{{.Names}}").lines == ["two", "one"]


def test_names(based: Lxgit) -> None:
    based("run", "--name", "web", "base", "true")
    taken = based("run", "--name", "web", "base", "true", code=125)
    assert "a container is named 'web' already" in taken.err
    refused = based("run", "--name", "a b", "base", "true", code=125)
    assert "cannot be the name of a container" in refused.err
    assert "'web' is a container" in based("branch", "web", "base", code=1).err
    assert "'web' is a container" in based("tag", "web", "base", code=1).err
    near = based("rm", "wep", code=1)
    assert near.err == "lxgit: no container 'wep'\nhint: did you mean 'web'?\n"
    image = based("start", "base", code=1)
    assert image.err.endswith("hint: 'base' is an image; 'lxgit ps -a' lists the containers\n")
    for revision in ("web", "base..web"):
        log = based("log", revision, code=1)
        assert log.err.startswith(
            "lxgit: 'web' is a container, not a commit\nhint: 'lxgit logs web' "
        )
    show = based("show", "web", code=1)
    assert show.err.startswith("lxgit: 'web' is a container, not a commit\nhint: 'lxgit diff web' ")
    rmi = based("rmi", "web", code=1)
    assert rmi.err.endswith(" not a commit\nhint: 'lxgit rm web' deletes it\n")
    assert "did you mean 'web'?" in based("show", "wbe", code=1).err
    run = based("run", "web", "true", code=125)
    assert run.err.endswith("hint: 'lxgit start -ai web' goes back into it\n")


def test_the_beginning_of_ids_can_be_ambiguous(based: Lxgit, git: StockGit) -> None:
    """A commit is made whose id begins as a container's does: one of 65,536 does."""
    based("run", "--name", "web", "base", "true")
    identity = row(based, "web")["id"]
    head = git("cat-file", "commit", "base")
    for number in range(10_000_000):
        data = b"%s%d\n" % (head, number)
        if hashlib.sha1(b"commit %d\0%s" % (len(data), data)).hexdigest()[:4] == identity[:4]:
            break
    oid = git.word("hash-object", "-t", "commit", "-w", "--stdin", stdin=data)
    git("update-ref", "refs/heads/twin", oid)
    refused = based("inspect", identity[:4], code=1)
    assert refused.err == (
        f"lxgit: '{identity[:4]}' is ambiguous\nhint: write one of these:"
        f" {identity[:12]} (a container), {oid[:12]} (a commit)\n"
    )
    assert based("inspect", identity[:12], oid[:12]).json[0]["Id"] == identity


def test_inspect(based: Lxgit, git: StockGit) -> None:
    base = git.word("rev-parse", "base")
    based("run", "--name", "web", "-e", "A=b", "base", "sh", "-c", "exit 3", code=3)
    container, image = based("inspect", "web", "base").json
    assert container["Id"] == row(based, "web")["id"]
    assert container["Parent"] == base
    assert container["State"]["ExitCode"] == 3
    assert "A=b" in container["ContainerConfig"]["Env"]
    assert container["ContainerConfig"]["Cmd"] == ["sh", "-c", "exit 3"]
    assert image["Id"] == base
    assert image["Parent"] == ""
    assert image["Config"]["Cmd"] == ["/bin/sh"]
    based("commit", "-m", "Next", "--allow-empty", "web")
    (image,) = based("inspect", "HEAD").json
    assert image["Parent"] == base
    assert image["Container"] == container["Id"]
    assert image["ContainerConfig"]["Cmd"] == ["sh", "-c", "exit 3"]
    assert "there is no 'nowhere'" in based("inspect", "base", "nowhere", code=1).err


def test_stock_gc_takes_nothing_from_containers(based: Lxgit, git: StockGit) -> None:
    based("run", "--name", "web", "base", "sh", "-c", "echo x >/x")
    based("branch", "other")
    based("checkout", "-q", "other")
    based("branch", "-D", "base")
    based("commit", "-m", "Kept by the container alone", "web", "kept")
    based("start", "-a", "web")
    based("branch", "-D", "kept")
    git("reflog", "expire", "--expire=now", "--all")
    git("gc", "--quiet", "--prune=now")
    based("prune")
    assert based("start", "-a", "web").code == 0
    assert based("show", "web:/x").out == "x\n"
    assert based("fsck").code == 0
