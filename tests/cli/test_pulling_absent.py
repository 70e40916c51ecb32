"""Images that are not here, and that a command pulls by itself, from a real registry."""

from __future__ import annotations

import json
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from lxgit.operations import absent
from tests.cli.conftest import files
from tests.support.program import PROGRAM, Lxgit

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.registry import Registry

pytestmark = pytest.mark.root


@pytest.fixture
def registry_of(grown: Lxgit, open_registry: Registry) -> Registry:
    """A registry with `base` and `tuned`."""
    for image in ("base", "tuned"):
        grown("push", "-q", image, f"{open_registry.host}/{image}")
    return open_registry


def test_run_pulls_what_is_not_here(other: Lxgit, registry_of: Registry) -> None:
    name = f"{registry_of.host}/base"
    first = other("run", "--rm", name, "echo", "hi")
    said = first.err.splitlines()
    assert said[:2] == [
        "Unable to find image 'base:latest' locally",
        f"Pulling repository base from {registry_of.host}",
    ]
    assert said[-1].endswith(" fs layer")
    for image in (name, "base"):
        again = other("run", "--rm", image, "echo", "hi")
        assert (again.out, again.err) == ("hi\n", "")
    other("run", "--rm", "--pull", "never", "base", "true")
    told = other("run", "--rm", "--pull", "always", name, "true").err.splitlines()
    assert told[-1].endswith(" is here already")
    container = other("create", f"{registry_of.host}/tuned", "true").out.strip()
    assert "IMAGE" in other("ps", "-a").lines[0]
    assert "tuned:latest" in other("ps", "-a").out
    other("rm", container)


def test_the_policy_of_the_host_is_in_force(
    grown: Lxgit, other: Lxgit, open_registry: Registry, scratch: Path
) -> None:
    """Also over what has layers that are all here; not over what is pushed."""
    policy = scratch / "policy.json"
    policy.write_text(json.dumps({"default": [{"type": "reject"}]}))

    def strictly(lxgit: Lxgit, *words: str) -> subprocess.CompletedProcess[str]:
        script = 'mount --bind "$0" /etc/containers/policy.json; exec "$@"'
        return subprocess.run(
            ["unshare", "--mount", "sh", "-e", "-c", script, policy, PROGRAM, *words],
            capture_output=True,
            text=True,
            env=lxgit.environment(),
            check=False,
        )

    name = f"{open_registry.host}/tuned"
    assert strictly(grown, "push", name).returncode == 0
    for _ in range(2):
        refused = strictly(other, "pull", name)
        assert refused.returncode == 1
        fault, hint = refused.stderr.splitlines()[-2:]
        assert fault.startswith(f"lxgit: '{open_registry.host}': Source image rejected: ")
        assert "or else /etc/containers/policy.json, says what may come" in hint
        other("pull", name)  # and by the host's own it may come
    grown("push", "base", f"{open_registry.host}/base")
    assert strictly(other, "run", f"{open_registry.host}/base", "true").returncode == 125


def test_a_policy_of_ones_own_goes_before_that_of_the_host(
    other: Lxgit, registry_of: Registry, scratch: Path
) -> None:
    own = scratch / ".config/containers/policy.json"
    own.parent.mkdir(parents=True)
    own.write_text(json.dumps({"default": [{"type": "reject"}]}))
    refused = other("pull", f"{registry_of.host}/base", env={"HOME": str(scratch)}, code=1).err
    assert "Source image rejected: " in refused
    assert "\nhint: ~/.config/containers/policy.json, or else " in refused
    other("pull", f"{registry_of.host}/base")


def test_run_and_create_pull_without_a_word(other: Lxgit, registry_of: Registry) -> None:
    told = other("run", "--rm", "-q", f"{registry_of.host}/base", "echo", "hi")
    assert (told.out, told.err) == ("hi\n", "")
    assert other("create", "--quiet", f"{registry_of.host}/tuned", "true").err == ""
    absent = other("run", "-q", f"{registry_of.host}/nowhere", "true", code=125).err
    assert absent.startswith("lxgit: there is no ")


def test_another_tag_of_what_was_pulled_is_no_slip(
    grown: Lxgit, other: Lxgit, registry_of: Registry
) -> None:
    """It is asked for where the image has come from."""
    grown("push", "-q", "tuned", f"{registry_of.host}/base:v2")
    other("pull", "-q", f"{registry_of.host}/base", "mine")
    told = other("run", "--rm", "mine:v2", "true").err.splitlines()
    assert told[:2] == [
        "Unable to find image 'mine:v2' locally",
        f"Pulling repository base from {registry_of.host}",
    ]
    assert files(other, "mine/v2") == files(grown, "tuned")
    absent = other("run", "mine:v3", "true", code=125).err.splitlines()
    assert absent[2].startswith(f"lxgit: there is no 'mine:v3' here, and '{registry_of.host}' has")
    slip = other("run", "mines", "true", code=125)
    assert slip.err.startswith("lxgit: there is no 'mines'\nhint: did you mean 'mine'")


def test_a_build_begins_with_what_it_pulls(
    grown: Lxgit, other: Lxgit, registry_of: Registry
) -> None:
    host = registry_of.host
    recipe = f"FROM {host}/base\nENV A=b\nFROM {host}/tuned\nCOPY --from={host}/base /etc/hosts /\n"
    first = other("build", "-", stdin=recipe.encode())
    assert [line for line in first.err.splitlines() if line.startswith("Unable")] == [
        "Unable to find image 'tuned:latest' locally",
        "Unable to find image 'base:latest' locally",
    ]
    again = other("build", "-q", "-", stdin=recipe.encode())
    assert again.err == ""
    assert first.lines[-1] == f"===> {again.out.strip()}"
    for name, image in ((f"{host}/base", "tuned"), ("base", "base")):
        grown("push", "-q", image, f"{host}/base")
        recipe = f"FROM {name}\nRUN cat /etc/motd\n"
        newest = other("build", "--pull", "-", stdin=recipe.encode())
        assert ("It is tuned." in newest.lines) == (image == "tuned")
    other("import", "-", "own", stdin=grown("export", "base").stdout)
    assert other("build", "--pull", "-", stdin=b"FROM own\nENV A=b\n").err == ""


@pytest.mark.parametrize(
    ("arguments", "lines"),
    [
        (("nowhere",), 4),
        (("--pull", "never", "nowhere"), 2),
        (("HEAD~99",), 2),
        (("0123456789ab",), 2),
        (("bose",), 2),
        (("base:v9",), 2),
    ],
)
def test_without_a_network_it_is_a_name_that_nothing_has(
    based: Lxgit, arguments: tuple[str, ...], lines: int
) -> None:
    begun = time.monotonic()
    for command in ("run", "create"):
        result = based(command, *arguments, "true", code=125)
        told = result.err.splitlines()
        assert len(told) == lines
        assert told[-2].startswith(f"lxgit: there is no '{arguments[-1]}'")
        assert told[-1].startswith("hint: ")
    assert time.monotonic() - begun < 2 * absent._ANSWER_WITHIN  # nobody waited for an answer


def test_the_first_command_of_all_pulls(lxgit: Lxgit) -> None:
    result = lxgit("run", "base", "/bin/echo", "hi", code=125)
    assert result.err.splitlines()[:2] == [
        "Unable to find image 'base:latest' locally",
        "Pulling repository base from docker.io",
    ]
    assert "'lxgit bootstrap trixie base' or" in result.err.splitlines()[3]


def test_pull_always_wants_a_name(based: Lxgit) -> None:
    for words in ((), ("HEAD~1",)):
        assert "--pull always takes a" in based("run", "--pull", "always", *words, code=2).err
