"""inspect by type and template; container diff and prune."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pexpect
import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.program import Lxgit

pytestmark = [pytest.mark.root, pytest.mark.overlay, pytest.mark.lxc]


def test_inspect_by_a_template(based: Lxgit) -> None:
    based(
        "run",
        "--network",
        "none",
        "--name",
        "web",
        "-e",
        "A=b",
        "-m",
        "64m",
        "base",
        "sh",
        "-c",
        "exit 3",
        code=3,
    )
    form = "{{.Name}} {{.State.ExitCode}} {{.State.OOMKilled}} {{.HostConfig.Memory}}"
    assert based("inspect", "--format", form, "web").out == "web 3 false 67108864\n"
    told = based("inspect", "-f", "{{range .Config.Env}}{{println .}}{{end}}", "web").lines
    assert "A=b" in told
    assert based("inspect", "-f", "{{json .NetworkSettings.Ports}}", "web").out == "{}\n"
    assert based("inspect", "-f", "{{.Id}}", "base", "web").lines == [
        based("rev-parse", "base").lines[0],
        based("ps", "-aq", "--no-trunc").lines[0],
    ]
    size = int(based("inspect", "-f", "{{.Size}}", "base").out)
    assert size > 1_000_000
    assert based("inspect", "base", "-s").json[0]["Size"] == size
    assert "Size" not in based("inspect", "base").json[0]
    (container,) = based("inspect", "--size", "web").json
    assert (container["SizeRw"], container["SizeRootFs"]) == (0, size)
    form = "{{.Config.Labels.none}} {{.Config.User}}."
    assert based("inspect", "-f", form, "web", "base").lines == ["<no value> ."] * 2
    fault = based("inspect", "-f", "{{.Nmae}}", "web", code=2).err
    assert fault.startswith(
        "lxgit: --format, column 3: there is no '.Nmae'\nhint: there are Id, Name"
    )


def test_inspect_tells_what_is_mounted(based: Lxgit, scratch: Path) -> None:
    options = ("-v", "data:/data", "-v", f"{scratch}:/host:ro", "--tmpfs", "/mem")
    based("run", "--network", "none", "--name", "web", *options, "base", "true")
    (container,) = based("inspect", "web").json
    volume, host = container["Mounts"]
    assert (volume["Type"], volume["Name"], volume["RW"]) == ("volume", "data", True)
    assert volume["Source"] == str(based.store / "volumes/data/data")
    assert (host["Source"], host["Destination"], host["RW"]) == (str(scratch), "/host", False)
    assert list(container["HostConfig"]["Tmpfs"]) == ["/mem"]
    assert container["HostConfig"]["Binds"] == ["data:/data", f"{scratch}:/host:ro"]
    binds = [f"{scratch}:/host:ro,rslave", "data:/data:nocopy"]
    more = [word for bind in (*binds, "/unnamed") for word in ("-v", bind)]
    based("create", "--network", "none", "--name", "more", *more, "base", "true")
    (form,) = based("inspect", "-f", '{{join .HostConfig.Binds " "}}', "more").lines
    assert sorted(form.split()) == sorted(binds)
    based("rm", "-v", "more")
    for value in ("data", "/data", "/host", str(scratch)):
        assert based("ps", "-a", "--filter", f"volume={value}", "--format", "{{.Names}}").lines == [
            "web"
        ]
    assert based("ps", "-a", "--format", "{{.Mounts}}").out == f"data,{scratch}\n"


def test_inspect_by_type(based: Lxgit) -> None:
    based("run", "--network", "none", "--name", "web", "base", "true")
    (container,) = based("inspect", "--type", "container", "web").json
    assert (container["Name"], container["State"]["Status"]) == ("web", "exited")
    assert based("container", "inspect", "web").json == [container]
    (image,) = based("inspect", "--type", "image", "base").json
    assert image["RepoTags"] == ["base:latest"]
    assert based("image", "inspect", "base").json == [image]
    assert based("image", "ls", "-q").out == based("images", "-q").out
    assert based("inspect", "--type", "image", "web", code=1).err.startswith(
        "lxgit: 'web' is a container, not an image"
    )
    assert based("inspect", "--type", "container", "base", code=1).err.startswith(
        "lxgit: no container 'base'"
    )


def test_inspect_finds_networks_and_volumes(based: Lxgit) -> None:
    based("volume", "create", "stuff")
    based("volume", "create", "base")
    for kind, name in (("volume", "stuff"), ("network", "bridge")):
        told = based(kind, "inspect", name).json
        assert based("inspect", name).json == based("inspect", "--type", kind, name).json == told
    assert based("inspect", "base").json[0]["RepoTags"] == ["base:latest"]
    assert based("inspect", "-f", "{{.Name}}", "--type", "volume", "base").out == "base\n"
    assert based("inspect", "--type", "image", "stuff", code=1).err.startswith("lxgit: there is no")
    fault, hint = based("inspect", "nosuch", code=1).err.splitlines()
    assert fault == "lxgit: there is no 'nosuch'"
    assert "'lxgit volume ls'" in hint
    _, hint = based("inspect", "--type", "image", "nosuch", code=1).err.splitlines()
    assert hint == "hint: 'lxgit branch' and 'lxgit tag' list the names"
    assert based("inspect", "--type", "network", "stuff", code=1).err.startswith("lxgit: ")


SCRIPT = """
mkdir -p /new/deep; touch /new/deep/file; rm -r /var; echo >>/etc/motd; touch /tmp/x
rm /bin/ls; mkdir /bin/ls
"""


def test_container_diff(based: Lxgit) -> None:
    based("run", "--network", "none", "--name", "web", "base", "sh", "-c", SCRIPT)
    assert based("container", "diff", "web").lines == [
        "C /bin",
        "C /bin/ls",
        "C /etc",
        "C /etc/motd",
        "A /new",
        "A /new/deep",
        "A /new/deep/file",
        "C /tmp",
        "A /tmp/x",
        "D /var",
    ]
    (first, *_) = based("container", "diff", "--format", "json", "web").json
    assert first == {"Kind": "C", "Path": "/bin"}
    assert based("container", "diff", "--format", "{{.Path}}", "web").lines[0] == "/bin"
    based("run", "--network", "none", "--name", "still", "base", "true")
    assert based("container", "diff", "still").out == ""


def test_container_prune(based: Lxgit) -> None:
    based(
        "run",
        "--network",
        "none",
        "--name",
        "one",
        "--label",
        "keep",
        "base",
        "sh",
        "-c",
        "echo 12345 >/x",
    )
    based("run", "--network", "none", "--name", "two", "base", "true")
    based("run", "-d", "--network", "none", "--name", "web", "base", "sleep", "1000")
    ids = based("ps", "-aq", "--no-trunc").lines
    refused = based("container", "prune", code=2).err
    assert refused.startswith(
        "lxgit: this deletes two; one, with 1 uncommitted path: it wants a terminal to ask on\n"
        "hint: -f"
    )
    assert based("container", "prune", "-f", "--filter", "until=1h").lines == [
        "Total reclaimed space: 0 B"
    ]
    assert based("container", "prune", "-f", "--filter", "label!=keep").lines == [
        ids[1],
        "Total reclaimed space: 0 B",
    ]
    with based.terminal("container", "prune") as terminal:
        terminal.expect_exact("Are you sure? [y/N]")
        terminal.sendline("n")
        terminal.expect_exact("nothing was deleted")
        terminal.expect(pexpect.EOF)
    assert terminal.exitstatus == 1
    with based.terminal("container", "prune", "--filter", "label=keep") as terminal:
        terminal.expect_exact("Are you sure? [y/N]")
        terminal.sendline("y")
        terminal.expect_exact(ids[2])
        terminal.expect_exact("deleted 'one', with 1 uncommitted path")
        terminal.expect_exact("Total reclaimed space: 6 B")
        terminal.expect(pexpect.EOF)
    assert based("ps", "-aq", "--no-trunc").lines == [ids[0]]
    assert based("container", "prune", "-f").lines == ["Total reclaimed space: 0 B"]
    based("rm", "-f", "web")


def test_container_prune_tells_of_stashes(based: Lxgit) -> None:
    based("run", "--name", "one", "base", "sh", "-c", "echo 1 >/srv/x")
    based("stash", "push", "one")
    (identity,) = based("ps", "-aq", "--no-trunc").lines
    assert "this deletes one, with 1 stash: " in based("container", "prune", code=2).err
    based("start", "-a", "one")
    lost = "with 1 uncommitted path and 1 stash"
    assert f"this deletes one, {lost}: " in based("container", "prune", code=2).err
    pruned = based("container", "prune", "-f")
    assert pruned.lines[0] == identity
    assert pruned.err == f"lxgit: deleted 'one', {lost}\n"
