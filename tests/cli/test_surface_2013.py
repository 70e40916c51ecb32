"""The commands and options of Docker 0.4, of June 2013, in the form that they had then.

A line is typed as it was. Where it is refused, the hint says how it is said today, and is followed:
`-notrunc` becomes `--no-trunc`, and what came behind it stays.
"""

from __future__ import annotations

import json
import re
import shlex
from typing import TYPE_CHECKING

import pytest

from lxgit.cli.commands import find
from tests.support import netns
from tests.support.registry import PASSWORD, USER
from tests.support.stores import copied
from tests.support.waiting import wait_until
from tests.support.webserver import Server, serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.program import Lxgit, Result
    from tests.support.registry import Registry

pytestmark = [pytest.mark.root, pytest.mark.overlay, pytest.mark.lxc]

SHORT, COMMIT, WHOLE = "[0-9a-f]{12}", "[0-9a-f]{40}", "[0-9a-f]{64}"
TODAY = re.compile(r"lxgit: unknown option '(-\S+)'\nhint: did you mean '(--?\S+)'\?\n")


class Then:
    """`docker`, as one typed it: `then("ps -a -notrunc")`."""

    def __init__(self, lxgit: Lxgit) -> None:
        self.lxgit = lxgit
        self.learned: list[str] = []

    def __call__(self, line: str, code: int = 0, stdin: bytes = b"") -> Result:
        """Follow what the hints say, and end with that exit code."""
        words = shlex.split(line)
        while True:
            result = self.lxgit(*words, code=None, stdin=stdin)
            told = TODAY.fullmatch(result.err)
            if told is None:
                assert result.code == code, (words, result)
                return result
            place = next(n for n, word in enumerate(words) if word.partition("=")[0] == told[1])
            words[place] = told[2] + words[place].removeprefix(told[1])
            self.learned.append(told[2])

    def says(self, line: str, *patterns: str, stdin: bytes = b"") -> None:
        """These lines come, in full, and none on standard error."""
        result = self(line, stdin=stdin)
        assert result.err == ""
        assert len(result.lines) == len(patterns), result
        for text, pattern in zip(result.lines, patterns, strict=True):
            assert re.fullmatch(pattern, text.rstrip()), (text, pattern)

    def container(self, line: str) -> str:
        """Run that, in the background; its short id."""
        return self(f"run -d {line}").out.strip()


@pytest.fixture
def then(lxgit: Lxgit, based_store: Path) -> Iterator[Then]:
    copied(based_store, lxgit.store)
    with netns.fresh():
        try:
            yield Then(lxgit)
        finally:
            lxgit("rm", "-f", *lxgit("ps", "-aq").lines, code=None)


@pytest.fixture
def served() -> Iterator[Server]:
    """A web server in the network of the test."""
    with serving(Server(b"from afar\n")) as server:
        yield server


def row(*cells: str) -> str:
    return r"\s+".join(cells) + r"\s+[a-z]+_[a-z]+(?:_[0-9a-f]{2})?"


def test_attach(then: Then) -> None:
    container = then.container("-i base sh -c 'read line; echo $line; exit 3'")
    assert then(f"attach {container}", code=3, stdin=b"typed\n").out == "typed\n"


def test_build(then: Then, scratch: Path) -> None:
    recipe = b"FROM base\nMAINTAINER me\nRUN echo it >/r\nENV A b\nEXPOSE 80\nCMD cat /r\n"
    (scratch / "context").mkdir()
    (scratch / "context/Dockerfile").write_bytes(recipe + b"ADD Dockerfile /there\n")
    assert then(f"build -t=app {scratch}/context").lines[-2] == "Build successful."
    then.says("run app", "it")
    then.says(f"build -q -t app:two {scratch}/context", COMMIT)
    then.says("run app:two ls /there", "/there")
    assert then("build -", stdin=recipe).lines[0] == "FROM base ()"


def test_build_of_an_address(then: Then, served: Server) -> None:
    served.body = b"FROM base\nRUN echo it >/r\nCMD cat /r\n"
    then(f"build -t far {served.url}/rootfs")
    then.says("run far", "it")


def test_commit(then: Then) -> None:
    then("run base sh -c 'echo it >/f'")
    (container,) = then("ps -l -q").lines
    wishes = '{"Cmd": ["cat", "/f"], "PortSpecs": ["80"], "Env": ["A=b"]}'
    who = "Ada <ada@example.org>"
    line = f"commit -m 'My first' -author='{who}' -run='{wishes}' {container} ada/it"
    then.says(line, SHORT)
    then.says(f"commit -m 'My first' {container} ada/it v1", SHORT)
    then.says("run ada/it", "it")
    (told,) = then("inspect ada/it").json
    assert told["Author"] == who
    assert told["Config"]["ExposedPorts"] == {"80/tcp": {}}
    assert told["Config"]["Env"][-1] == "A=b"
    assert then.learned == ["--author", "--run"]


def test_diff(then: Then) -> None:
    container = then.container("base sh -c 'echo it >/f; rm /etc/hosts; chmod 700 /srv'")
    then(f"wait {container}")
    said = then(f"container diff {container}").lines
    assert {"A /f", "C /srv"} <= set(said)


def test_export_and_import(then: Then, served: Server) -> None:
    container = then.container("base sh -c 'echo it >/f'")
    then(f"wait {container}")
    archive = then(f"export {container}").stdout
    refused = then("import - copied:v1", code=1, stdin=archive)
    assert refused.err.endswith("take 'copied', then 'lxgit tag copied:v1 copied'\n")
    for line in ("import - copied v1", "image import - copied v1"):
        refused = then(line, code=2, stdin=archive)
        hint = "'lxgit import SOURCE REPO', then 'lxgit tag REPO:TAG REPO'"
        assert refused.err.endswith(f"extra argument(s) (v1)\nhint: {hint}\n")
    then("import - copied", stdin=archive)
    then("tag copied:v1 copied")
    then.says("run copied:v1 cat /f", "it")
    served.body = archive
    then(f"import {served.url}/rootfs.tar fetched")
    then.says("run fetched cat /f", "it")


def test_history(then: Then) -> None:
    head, *rows = then("history base").lines
    assert head.split()[:3] == ["IMAGE", "CREATED", "CREATED"]
    assert re.match(SHORT, rows[0])


def test_images(then: Then) -> None:
    then("tag base other quantal")
    head, *rows = then("images").lines
    assert head.split() == ["REPOSITORY", "TAG", "ID", "CREATED"]
    assert sorted(row.split()[:2] for row in rows) == [["base", "latest"], ["other", "quantal"]]
    then.says("images -q", SHORT, SHORT)
    assert all(re.search(rf" {COMMIT} ", row) for row in then("images -a -notrunc").lines[1:])
    assert "digraph" in then("images -viz").out
    assert then("images -tree").out
    assert then.learned == ["--no-trunc", "--viz", "--tree"]


def test_info_and_version(then: Then) -> None:
    then("run base true")
    assert {"Containers: 1", "Images: 1"} <= set(then("info").lines)
    assert then("version").lines[0].startswith("Version:")


def test_insert(then: Then, served: Server) -> None:
    made = then(f"insert base {served.url}/rootfs /srv/it").out.strip()
    then.says(f"run {made} cat /srv/it", "from afar")


def test_inspect(then: Then) -> None:
    then("run base true")
    (container,) = then("ps -lq").lines
    told = json.loads(then(f"inspect base {container}").out)
    assert {"Id", "Parent", "Created", "Container", "ContainerConfig"} <= told[0].keys()
    assert told[1]["Id"].startswith(container)


def test_kill_and_wait(then: Then) -> None:
    container = then.container("base sleep 1000")
    then.says(f"kill {container}", container)
    then.says(f"wait {container}", "137")


@pytest.mark.network
def test_login_and_push(lxgit: Lxgit, based_store: Path, private_registry: Registry) -> None:
    copied(based_store, lxgit.store)
    then, host = Then(lxgit), private_registry.host
    line = f"login -u={USER} -p='{PASSWORD}' -e=ada@example.org {host}"
    assert then(line).out == "Login Succeeded\n"
    assert then(f"push -registry={host} base").out.startswith(f"{host}/base@sha256:")
    then(f"push {host}/base")
    assert then.learned == ["--registry"]


def test_search_and_pull(lxgit: Lxgit, based_store: Path, open_registry: Registry) -> None:
    copied(based_store, lxgit.store)
    then, host = Then(lxgit), open_registry.host
    then(f"push -q base {host}/ada/it:v1")
    found = then(f"search -notrunc {host}/ada").lines
    assert found[0] == f'Found 1 results matching your query ("{host}/ada")'
    assert found[1].split()[:2] == ["NAME", "DESCRIPTION"]
    assert found[2].split()[0] == f"{host}/ada/it"
    first = then(f"pull -t=v1 -registry={host} ada/it")
    assert first.err.startswith(f"Pulling repository ada/it from {host}\n")
    assert re.fullmatch(rf"{SHORT}\n", first.out)
    then.says("run ada/it:v1 echo hi", "hi")
    assert then.learned == ["--no-trunc", "--registry"]


def test_logs(then: Then) -> None:
    container = then.container("base sh -c 'echo out; echo err >&2'")
    then(f"wait {container}")
    result = then(f"logs {container}")
    assert (result.out, result.err) == ("out\n", "err\n")


def test_port(then: Then) -> None:
    container = then.container("-p=80 base sleep 1000")
    then.says(f"port {container} 80", r"49\d\d\d")


def test_ps(then: Then) -> None:
    one, two, three = (then.container(f"base {line}") for line in ("true", "true", "sleep 1000"))
    then(f"wait {one} {two}")
    head, *rows = then("ps").lines
    assert head.split()[:6] == ["ID", "IMAGE", "COMMAND", "CREATED", "STATUS", "PORTS"]
    assert re.fullmatch(row(three, "base:latest", "sleep 1000", ".* ago", "Up .*"), rows[0])
    then.says("ps -q", three)
    then.says("ps -a -q", three, two, one)
    assert all(re.match(f"{WHOLE} ", line) for line in then("ps -notrunc").lines[1:])
    then.says("ps -l -q", three)
    then.says("ps -n=2 -q", three, two)
    then.says(f"ps -a -q -sinceId={one}", three, two)
    then.says(f"ps -a -q -beforeId {three}", two, one)
    assert then("ps -s").lines[0].split()[-1] == "SIZE"
    assert then.learned == ["--no-trunc", "--since", "--before"]


def test_restart_start_and_stop(then: Then) -> None:
    container = then.container("base sh -c 'echo begun; sleep 1000'")
    wait_until(lambda: then(f"logs {container}").lines == ["begun"])
    then.says(f"restart -t=0 {container}", container)
    wait_until(lambda: then(f"logs {container}").lines == ["begun"] * 2)
    then.says(f"stop -t=0 {container}", container)
    assert then("ps -q").lines == []
    then.says(f"start {container}", container)
    then.says(f"stop -t 0 {container}", container)


def test_rm_and_rmi(then: Then) -> None:
    container = then.container("-v /data base true")
    then(f"wait {container}")
    assert len(then("volume ls -q").lines) == 1
    then(f"rm -v {container}")
    assert then("ps -aq").lines == then("volume ls -q").lines == []
    then("tag base other quantal")
    then("rmi other:quantal")
    assert len(then("images").lines) == 2


LINES = {
    "run base /bin/echo hi": "hi",
    "run -a stdout base sh -c 'echo out; echo err >&2'": "out",
    "run -c=512 base echo hi": "hi",
    "run -dns=192.0.2.1 base cat /etc/resolv.conf": "nameserver 192.0.2.1",
    "run -e A=b -e=C=d base sh -c 'echo $A$C'": "bd",
    "run -entrypoint=/bin/echo base hi": "hi",
    "run -h=thing base hostname": "thing",
    "run -i base cat": "typed",
    "run -m=67108864 base echo hi": "hi",
    "run -p 80 -p=81:82 base echo hi": "hi",
    "run -t base sh -c 'test -t 0 && echo hi'": "hi",
    "run -u=33 base id -u": "33",
    "run -v /data base ls -d /data": "/data",
}


@pytest.mark.parametrize("line", LINES)
def test_run(then: Then, line: str) -> None:
    assert then(line, stdin=b"typed\n").lines == [LINES[line]]


def test_run_with_what_others_have(then: Then, scratch: Path) -> None:
    (scratch / "it").write_text("it\n")
    holder = then.container("-v /data base sh -c 'echo kept >/data/it'")
    then(f"wait {holder}")
    then.says(f"run -volumes-from={holder} base cat /data/it", "kept")
    then.says(f"run -v={scratch}:/there:ro base cat /there/it", "it")
    then.says(f"run -b {scratch}:/there:ro base cat /there/it", "it")
    assert then.learned == ["--volumes-from", "--volume"]


def test_tag(then: Then) -> None:
    then("tag base other quantal")
    refused = then("tag base other quantal", code=1)
    assert refused.err.endswith("hint: -f moves it\n")
    then("tag -f base other quantal")
    refused = then("tag base other", code=1)  # Git's `tag NAME` with Docker's words
    assert "'lxgit branch other base' is what Docker calls other:latest" in refused.err


def test_every_command_is_there() -> None:
    then = """attach build commit diff export history images import info insert inspect kill login
        logs port ps pull push restart rm rmi run search start stop tag version wait"""
    assert [name for name in then.split() if find(name) is None] == []
