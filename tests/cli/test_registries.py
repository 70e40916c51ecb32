"""push, login, logout and search, against a real registry on loopback."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pexpect
import pytest

from tests.support.compare import assert_same_tree
from tests.support.program import PROGRAM
from tests.support.registry import PASSWORD, USER, Registry, skopeo
from tests.support.rootfs import extract_tar
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from tests.support.ordinary import OrdinaryUser
    from tests.support.program import Lxgit

pytestmark = pytest.mark.root


def test_what_is_pushed_is_the_image(grown: Lxgit, open_registry: Registry, scratch: Path) -> None:
    name = f"{open_registry.host}/tuned"
    (pinned,) = grown("push", name).lines
    assert pinned.startswith(f"{name}@sha256:")
    layout = scratch / "layout"
    skopeo("copy", "-q", "--src-tls-verify=false", f"docker://{pinned}", f"oci:{layout}:it")
    subprocess.run(["umoci", "unpack", "--image", f"{layout}:it", scratch / "bundle"], check=True)
    grown("export", "tuned", "-o", scratch / "exported.tar")
    expected = extract_tar(scratch / "exported.tar", scratch / "expected")
    assert_same_tree(expected, scratch / "bundle/rootfs")


def test_what_the_registry_has_is_not_sent_again(grown: Lxgit, open_registry: Registry) -> None:
    """Not by the same command, and of a history that grew its new layer alone."""
    name = f"{open_registry.host}/team/base"
    first = grown("push", "base", name).out
    assert open_registry.uploads() == 2  # a layer and the config
    assert grown("push", "base", name).out == first
    assert open_registry.uploads() == 2
    grown("push", "tuned", f"{name}:tuned")
    assert open_registry.uploads() == 4
    grown("push", "tuned", f"{name}:squashed", "--squash")
    assert open_registry.uploads() == 6


@pytest.mark.parametrize(
    ("arguments", "there"),
    [
        (("HOST/base",), "base:latest"),
        (("HOST/base:v1",), "base:v1"),
        (("-t", "v1", "HOST/base"), "base:v1"),
        (("--registry", "HOST", "base:v1"), "base:v1"),
        (("base:v1", "HOST/x/y"), "x/y:v1"),
        (("base:v1", "HOST/x/y:v2"), "x/y:v2"),
        (("HEAD~1", "HOST/x/y"), "x/y:latest"),
    ],
)
def test_names(
    grown: Lxgit, open_registry: Registry, arguments: tuple[str, ...], there: str
) -> None:
    grown("tag", "base:v1", "base")
    grown("push", "-q", *(word.replace("HOST", open_registry.host) for word in arguments))
    path, _, tag = there.partition(":")
    assert ("PUT", f"/v2/{path}/manifests/{tag}") in open_registry.asked()


def layers(registry: Registry, name: str) -> int:
    """How many layers a registry has for a name."""
    told = skopeo("inspect", "--raw", "--tls-verify=false", f"docker://{registry.host}/{name}")
    return len(json.loads(told)["layers"])


def test_what_has_the_whole_name_is_pushed(grown: Lxgit, open_registry: Registry) -> None:
    """As in Docker, where that name is the image's: not another's that has the end of it."""
    name = f"{open_registry.host}/base"
    grown("push", "-q", name)
    assert layers(open_registry, "base:latest") == 1
    grown("tag", name, "tuned")
    for given in (name, f"{name}:latest"):
        grown("push", "-q", given)
        assert layers(open_registry, "base:latest") == 2
        grown("push", "-q", "base", name)
        assert layers(open_registry, "base:latest") == 1
    grown("push", "-q", "--registry", open_registry.host, "base")
    assert layers(open_registry, "base:latest") == 1
    grown("push", "-q", name, f"{open_registry.host}/team/x")
    assert layers(open_registry, "team/x:latest") == 2
    grown("push", "-q", "-t", "v1", name, code=1)  # no 'base:v1' is here
    grown("tag", "-d", name)
    grown("push", "-q", "tuned", name)
    grown("push", "-q", name)
    assert layers(open_registry, "base:latest") == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("nowhere", "HOST/x"), "there is no 'nowhere'"),
        (("HOST/nowhere",), "there is no 'nowhere'"),
        (("base", "HOST/X"), "its path is of small letters"),
        (("base", f"HOST/x@sha256:{'0' * 64}"), "a digest is what comes of a push"),
        (("-t", "v2", "HOST/base:v1"), "has a tag already"),
        (("--registry", "HOST", "base", "HOST/x"), "leave out --registry"),
        (("--registry", "HOST", "HOST/base:v1"), "'HOST/base:v1' names a registry"),
        (("-t", "", "base", "HOST/x"), "the tag is empty"),
        (("base:/etc", "HOST/x"), "did you mean 'base'? '/etc' is a path in it"),
        (("base", "127.0.0.1:1/x"), "'127.0.0.1:1' cannot be reached: "),
    ],
)
def test_what_cannot_be_pushed(
    grown: Lxgit, open_registry: Registry, arguments: tuple[str, ...], said: str
) -> None:
    result = grown(
        "push", *(word.replace("HOST", open_registry.host) for word in arguments), code=None
    )
    assert result.code in (1, 2)
    assert said.replace("HOST", open_registry.host) in result.err
    assert result.err.count("\n") <= 2
    assert not list((grown.store / "tmp").iterdir())
    assert open_registry.uploads() == 0


def test_a_password_opens_the_registry(based: Lxgit, private_registry: Registry) -> None:
    host = private_registry.host
    refused = based("push", f"{host}/base", code=1)
    assert refused.err.endswith(f"hint: 'lxgit login {host}' says who you are\n")
    keys = {"REGISTRY_AUTH_FILE": str(based.home / "auth.json")}
    secret = f"{PASSWORD}\n".encode()
    wrong = based("login", "-u", USER, "--password-stdin", host, stdin=b"x", code=1, env=keys)
    assert "refuses that" in wrong.err
    assert not (based.home / "auth.json").exists()
    result = based("login", "-u", USER, "--password-stdin", host, stdin=secret, env=keys)
    assert (result.out, result.err) == ("Login Succeeded\n", "")
    assert list(json.loads((based.home / "auth.json").read_text())["auths"]) == [host]
    based("push", f"{host}/base", env=keys)
    assert based("logout", host, env=keys).out == f"Removed the credentials for {host}\n"
    based("push", f"{host}/base", code=1, env=keys)
    assert (
        based("logout", host, code=1, env=keys).err == f"lxgit: nobody is logged in to '{host}'\n"
    )


def test_a_person_is_asked(based: Lxgit, private_registry: Registry) -> None:
    keys = {"REGISTRY_AUTH_FILE": str(based.home / "auth.json")}
    with based.terminal("login", private_registry.host, env=keys) as terminal:
        terminal.expect_exact("Username: ")
        terminal.sendline(USER)
        terminal.expect_exact("Password: ")
        terminal.sendline(PASSWORD)
        terminal.expect_exact("Login Succeeded")
        shown = terminal.before or ""
        terminal.expect(pexpect.EOF)  # who is hung up on has half a second to end
    assert PASSWORD not in shown


def test_the_password_is_in_no_list_of_processes(
    based: Lxgit, private_registry: Registry, scratch: Path
) -> None:
    """Nor is it with -p, but for lxgit's own arguments."""
    trace = scratch / "trace"
    environment = based.environment({"REGISTRY_AUTH_FILE": str(based.home / "auth.json")})
    words = [str(PROGRAM), "login", "-u", USER, "--password-stdin", private_registry.host]
    subprocess.run(
        ["strace", "-f", "-e", "trace=execve", "-s", "9999", "-v", "-o", str(trace), *words],
        input=PASSWORD.encode(),
        env=environment,
        check=True,
    )
    assert "skopeo" in trace.read_text()
    assert PASSWORD not in trace.read_text()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("-u", "x"), "there is no terminal to ask on"),
        (("-u", "x", "-p", ""), "there is no terminal to ask on"),
        ((), "there is no terminal to ask on"),
        (("--password-stdin",), "--password-stdin needs a name"),
        (("-u", "x", "-p", "y", "--password-stdin"), "exclude each other"),
        (("-u", "x", "--password-stdin"), "standard input has no password: it is one line"),
        (("-u", "x", "-p", "y", "http://host/"), "'http://host/' is no host"),
    ],
)
def test_a_login_that_is_none(lxgit: Lxgit, arguments: tuple[str, ...], said: str) -> None:
    assert said in lxgit("login", *arguments, code=None).err
    assert os.listdir(lxgit.home) == []


@pytest.mark.parametrize("words", [("pull", "HOST/x"), ("push", "base", "HOST/x")], ids=" ".join)
def test_what_is_killed_goes_on_with_nothing(based: Lxgit, words: tuple[str, ...]) -> None:
    """Nor does the program that it has talk to a registry, here one that never answers."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        host = f"127.0.0.1:{silent.getsockname()[1]}"
        command = [str(PROGRAM), *(word.replace("HOST", host) for word in words)]
        with subprocess.Popen(
            command, env=based.environment(), stderr=subprocess.DEVNULL
        ) as process:
            wait_until(lambda: running(host))
            process.kill()
        wait_until(lambda: not running(host))


def running(host: str) -> bool:
    """Whether a skopeo talks to that registry."""
    return not subprocess.run(["pgrep", "-f", f"^[^ ]*skopeo .*{host}/"], check=False).returncode


@pytest.mark.overlay
@pytest.mark.lxc
def test_an_ordinary_user_has_it_too(person: OrdinaryUser, private_registry: Registry) -> None:
    """Credentials are the user's own, wherever a container of the store could begin."""
    host = private_registry.host
    home = Path(person.environment["HOME"])
    secret = PASSWORD.encode()
    person("login", "-u", USER, "--password-stdin", host, stdin=secret, code=0)
    kept = home / ".config/containers/auth.json"
    assert (kept.stat().st_uid, kept.stat().st_mode & 0o777) == (person.number, 0o600)
    pushed = person("push", f"{host}/base", code=0)
    assert pushed.out.startswith(f"{host}/base@sha256:")
    person("save", "base", "-o", f"{home}/base.tar", code=0)
    assert (home / "base.tar").stat().st_uid == person.number
    person("pull", f"{host}/base", "again", code=0)
    assert host in person("search", f"{host}/", code=0).out
    person("logout", host, code=0)
    person("push", f"{host}/base:other", code=1)
