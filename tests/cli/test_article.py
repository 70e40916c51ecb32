"""The session of an article of June 2013 about Docker 0.4, line by line, typed at a terminal.

What differs is what has to: ids, times, addresses and host names; the `NAMES` that `ps` has today;
`--no-trunc` for `-notrunc`; `kill`, which answers with what it killed and leaves Exit 137 behind,
as the kernel has it; and tags are made here, since there is nothing to pull from. A build has read
its context at once, and says nothing of that. Searching, pulling and pushing are tested elsewhere.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pexpect
import pytest

from tests.support import netns
from tests.support.program import PROGRAM
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.program import Lxgit

pytestmark = [pytest.mark.root, pytest.mark.overlay, pytest.mark.lxc, pytest.mark.network]

PROMPT = "$ "
WHOLE, SHORT = r"[0-9a-f]{64}", r"[0-9a-f]{12}"
COMMIT = r"[0-9a-f]{40}"
AGO = r"(?:\d+|Less than a|About an?) (?:second|minute|hour)s?"


class Shell:
    """A shell at a terminal, where `docker` is lxgit."""

    def __init__(self, terminal: pexpect.spawn[str]) -> None:
        self.terminal = terminal
        self.until_prompt()

    def until_prompt(self) -> str:
        """What comes until the shell waits for a line."""
        self.terminal.expect(r"(?:^|(?<=\n))\$ $")
        return self.terminal.before or ""

    def type(self, line: str) -> list[str]:
        """Type a line; what came, line by line, but for what a busy machine has one wait for."""
        self.terminal.sendline(line)
        self.terminal.expect_exact(f"{line}\r\n")
        came = [text.rstrip() for text in self.until_prompt().split("\r\n")[:-1]]
        return [text for text in came if not text.startswith("lxgit: waiting")]

    def says(self, line: str, *expected: str) -> None:
        """Type a line; exactly these lines come, as regular expressions."""
        came = self.type(line)
        assert len(came) == len(expected), (line, came)
        for text, wanted in zip(came, expected, strict=True):
            assert re.fullmatch(wanted, text), (line, text, wanted)

    def enter(self, line: str) -> str:
        """Run a shell in a container; its host's name, when it has shown its prompt."""
        self.terminal.sendline(line)
        self.terminal.expect(rf"root@({SHORT}):/# ")
        assert isinstance(self.terminal.match, re.Match)
        return str(self.terminal.match[1])


def table(*cells: str) -> str:
    """A line of a table: cells as regular expressions, blanks between them."""
    return r"\s+".join(cells) + r"(?:\s+[a-z]+_[a-z]+(?:_[0-9a-f]{2})?)?"


@pytest.fixture
def shell(lxgit: Lxgit, article_tar: Path, scratch: Path) -> Iterator[Shell]:
    """A Debian with ping and nc as `base`, a network with an eth0, and a shell."""
    tools = scratch / "tools"
    tools.mkdir()
    busybox = shutil.which("busybox") or ""
    (tools / "ifconfig").symlink_to(busybox)
    (tools / "docker").symlink_to(PROGRAM)
    for name, script in (("sudo", SUDO), ("nc", NETCAT)):
        (tools / name).write_text(script)
        (tools / name).chmod(0o755)
    (scratch / "port.sh").write_text(SCRIPT)
    lxgit("import", article_tar, "base")
    for tag in ("ubuntu-12.10", "ubuntu-quantal", "ubuntu-quantl"):
        lxgit("tag", f"base:{tag}", "base")
    environment = lxgit.environment({"TERM": "dumb", "PS1": PROMPT})
    environment["PATH"] = f"{tools}:{environment['PATH']}"
    with network(), bash(environment, scratch) as made:
        try:
            yield made
        finally:
            lxgit("rm", "-f", *lxgit("ps", "-aq").lines, code=None)


@contextmanager
def network() -> Iterator[None]:
    with netns.fresh():
        for words in (
            "link add eth0 type veth peer name eth1",
            "address add 10.156.137.111/24 dev eth0",
            "link set eth0 up",
            "link set eth1 up",
        ):
            subprocess.run(["ip", *words.split()], check=True)
        yield


@contextmanager
def bash(environment: dict[str, str], directory: Path) -> Iterator[Shell]:
    with pexpect.spawn(
        "/bin/bash",
        ["--norc", "--noprofile", "--noediting"],
        env=environment,
        cwd=str(directory),
        encoding="utf-8",
        timeout=30,
        dimensions=(50, 120),
    ) as terminal:
        yield Shell(terminal)


HEAD = r"ID +IMAGE +COMMAND +CREATED +STATUS +PORTS +NAMES"


def test_the_whole_session(shell: Shell, lxgit: Lxgit) -> None:
    usage(shell)
    shells = [basics(shell) for _ in range(2)]
    ping = running(shell)
    containers(shell, lxgit, ping, shells)
    images(shell, lxgit)
    ports(shell)
    dockerfile(shell, lxgit)


def usage(shell: Shell) -> None:
    lines = shell.type("docker")
    assert lines[0].startswith("Usage: lxgit [")
    for command in (
        "attach",
        "build",
        "commit",
        "images",
        "kill",
        "logs",
        "ps",
        "run",
        "tag",
        "wait",
    ):
        assert any(line.startswith(f"  {command} ") for line in lines), command


def basics(shell: Shell) -> str:
    """One command, then a shell; the short id of the container that this was."""
    shell.says("docker run base /bin/echo hi", "hi")
    host = shell.enter("docker run -i -t base /bin/bash")
    shell.terminal.sendline("exit")
    shell.terminal.expect(r"exit\r\n(?:\x1b\[\?2004l\r)?exit\r\n")
    shell.until_prompt()
    return host


def running(shell: Shell) -> str:
    (ping,) = shell.type("docker run -i -t -d base /bin/ping -i 1 localhost")
    assert re.fullmatch(SHORT, ping)
    row = table(ping, "base:latest", "/bin/ping -i 1 local", f"{AGO} ago", f"Up {AGO}")
    shell.says("docker ps", HEAD, row)
    wait_until(lambda: len(shell.type(f"docker logs {ping}")) > 2)
    first, *replies = shell.type(f"docker logs {ping}")
    assert re.fullmatch(r"PING localhost \(.+\):? .*", first)
    assert all(re.fullmatch(r"64 bytes from .+ time=.+ ms", line) for line in replies[:-1])
    shell.terminal.sendline(f"docker attach {ping}")
    for _ in range(2):
        shell.terminal.expect(r"64 bytes from .+ time=.+ ms\r\n")
    shell.terminal.send("\x10\x11")  # Ctrl-p Ctrl-q
    assert "closed" not in shell.until_prompt()
    shell.says("docker ps -q", ping)
    shell.says(f"docker kill {ping}", ping)
    shell.says("docker ps", HEAD)
    return ping


def containers(shell: Shell, lxgit: Lxgit, ping: str, shells: list[str]) -> None:
    then = ("lxgit: unknown option '-notrunc'", "hint: did you mean '--no-trunc'?")
    shell.says("docker ps -a -notrunc", *map(re.escape, then))
    head, *rows = shell.type("docker ps -a --no-trunc")
    assert re.fullmatch(HEAD, head)
    ended = rf"{AGO} ago"
    for row, (begin, command, status) in zip(
        rows,
        (
            (ping, "/bin/ping -i 1 localhost", "Exit 137"),
            (shells[1], "/bin/bash", "Exit 0"),
            ("", "/bin/echo hi", "Exit 0"),
            (shells[0], "/bin/bash", "Exit 0"),
            ("", "/bin/echo hi", "Exit 0"),
        ),
        strict=True,
    ):
        assert re.fullmatch(table(WHOLE, "base:latest", command, ended, status), row), row
        assert row.startswith(begin)
    shell.says(f"sudo ls {lxgit.store}/containers/", *sorted(row.split()[0] for row in rows))
    first = rows[-1][:12]
    line = f'docker commit -m "My first container" {first} f440/first_container'
    (made,) = shell.type(line)
    head, *listed = shell.type("docker images")
    assert re.fullmatch("REPOSITORY +TAG +ID +CREATED", head)
    base = lxgit("rev-parse", "base").out[:12]
    wanted = [table("f440/first_container", "latest", made, f"{AGO} ago")] + [
        table("base", tag, base, f"{AGO} ago")
        for tag in ("latest", "ubuntu-quantl", "ubuntu-quantal", "ubuntu-12.10")
    ]
    assert len(listed) == len(wanted)
    for row in wanted:
        assert any(re.fullmatch(row, line) for line in listed), (row, listed)
    shell.says("docker run f440/first_container /bin/echo hi", "hi")
    shell.says(f"docker rm {first}", rf"Deleted container \w+ \({first}\)\.")


def images(shell: Shell, lxgit: Lxgit) -> None:
    head, *rows = shell.type("docker images -a --no-trunc")
    assert re.fullmatch("REPOSITORY +TAG +ID +CREATED", head)
    assert all(re.fullmatch(table(r"\S+", r"\S+", COMMIT, f"{AGO} ago"), row) for row in rows)
    (told,) = json.loads("\n".join(shell.type("docker inspect f440/first_container")))
    assert {"Id", "Parent", "Created", "Container", "ContainerConfig"} <= told.keys()
    assert told["Parent"] == lxgit("rev-parse", "base").out.strip()
    assert re.fullmatch(WHOLE, told["Container"])
    assert told["ContainerConfig"]["Cmd"] == ["/bin/echo", "hi"]
    assert any("digraph" in line for line in shell.type("docker images --viz"))
    shell.says("docker rmi base:ubuntu-quantl", r"Deleted tag base/ubuntu-quantl \(was .*\)\.")


SUDO = """\
#!/bin/sh
exec "$@"
"""

NETCAT = """\
#!/bin/sh
cat >said
until busybox nc "$@" <said; do sleep 0.1; done
"""
"""What the article leaves to chance: that the other one listens by then, and that something is
there to be sent before the other one has ended, after which busybox's netcat sends nothing."""

SCRIPT = """\
JOB=$(docker run -d -p 4444 base /bin/nc -l -p 4444)
PORT=$(docker port $JOB 4444)
IP=$(ifconfig eth0 | perl -n -e 'if (m/inet addr:([\\d\\.]+)/g) { print $1 }')
echo hello world | nc $IP $PORT
docker wait $JOB >/dev/null
echo "Daemon received: $(docker logs $JOB)"
"""


TRACE = (
    r"\+\+ docker run -d -p 4444 base /bin/nc -l -p 4444",
    rf"\+ JOB={SHORT}",
    rf"\+\+ docker port {SHORT} 4444",
    r"\+ PORT=49\d\d\d",
    r"\+\+ perl -n -e 'if \(m/inet addr:\(\[\\d\\\.\]\+\)/g\) \{ print \$1 \}'",
    r"\+\+ ifconfig eth0",
    r"\+ IP=10\.156\.137\.111",
    r"\+ nc 10\.156\.137\.111 49\d\d\d",
    r"\+ echo hello world",
    rf"\+ docker wait {SHORT}",
    rf"\+\+ docker logs {SHORT}",
    r"\+ echo 'Daemon received: hello world'",
    r"Daemon received: hello world",
)
"""What `set -x` shows; what stands between pipes comes in either order."""


def ports(shell: Shell) -> None:
    """As there, but for a wait for the end, which the article leaves to chance."""
    came = shell.type("bash -x port.sh")
    assert len(came) == len(TRACE), came
    for wanted in TRACE:
        assert any(re.fullmatch(wanted, line) for line in came), (wanted, came)
    assert came[-1] == "Daemon received: hello world"


SCRIPT_LINES = (
    "cat <<SCRIPT >Dockerfile",
    "FROM base",
    "RUN /bin/echo run | tee /tmp/run.log",
    "CMD /bin/echo cmd | tee /tmp/cmd.log",
    "SCRIPT",
)


def dockerfile(shell: Shell, lxgit: Lxgit) -> None:
    for line in SCRIPT_LINES[:-1]:
        shell.terminal.sendline(line)
        shell.terminal.expect_exact("\r\n> ")  # what is typed before stands elsewhere
    shell.says("SCRIPT")
    base = lxgit("rev-parse", "base").out.strip()
    run, cmd = "/bin/echo run | tee /tmp/run.log", "/bin/echo cmd | tee /tmp/cmd.log"
    came = shell.type("docker build .")
    patterns = [
        r"FROM base \(\)",
        rf"===> {base}",
        rf"RUN {re.escape(run)} \({base}\)",
        "run",
        rf"===> {COMMIT}",
        rf"CMD {re.escape(cmd)} \({COMMIT}\)",
        rf"===> {COMMIT}",
        r"Build successful\.",
        rf"===> {COMMIT}",
    ]
    assert len(came) == len(patterns), came
    for text, wanted in zip(came, patterns, strict=True):
        assert re.fullmatch(wanted, text), (text, wanted)
    ran, made = came[4].removeprefix("===> "), came[-1].removeprefix("===> ")
    assert came[5] == f"CMD {cmd} ({ran})"
    assert came[6] == came[8]
    short = made[:11]
    shell.says(f"docker run {short} /bin/ls /tmp/", r"run\.log")
    (told,) = json.loads("\n".join(shell.type(f"docker inspect {short}")))
    assert (told["Id"], told["Parent"]) == (made, ran)
    assert told["ContainerConfig"]["Cmd"] == ["/bin/sh", "-c", f"#(nop) CMD [/bin/sh -c {cmd}]"]
    shell.says(f"docker run {short}", "cmd")
    reading = shell.type("docker build - <Dockerfile")
    assert [line for line in reading if line != "===> Using cache"] == came[:3] + came[4:]
