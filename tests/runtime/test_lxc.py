"""LXC's configuration as text, and what its log says."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lxgit.records import replace
from lxgit.runtime import capabilities
from lxgit.runtime.idmap import Extent, IdMap
from lxgit.runtime.lxc import Log
from lxgit.runtime.lxcconfig import ContainerSpec, InvalidHostname, config_text

NAME = "0123456789abcdef" * 4
SPEC = ContainerSpec(
    name=NAME,
    root=Path("/run/lxgit/stage/root"),
    null=Path("/run/lxgit/stage/dev/null"),
    hostname="web",
    idmap=IdMap((Extent(0, 1_879_048_192, 65536), Extent(70_000, 1_879_113_728, 1))),
    network="none",
    capabilities=("chown", "kill"),
    apparmor="lxc-container-default-cgns",
    seccomp=Path("/run/lxgit/c/seccomp"),
)


def test_the_whole_text() -> None:
    text = config_text(replace(SPEC, masked=False))
    assert text == (
        "lxc.rootfs.path = dir:/run/lxgit/stage/root\n"
        "lxc.uts.name = web\n"
        "lxc.autodev = 0\n"
        "lxc.console.path = none\n"
        "lxc.tty.max = 0\n"
        "lxc.pty.max = 0\n"
        "lxc.monitor.signal.pdeath = SIGKILL\n"
        "lxc.mount.entry = mqueue dev/mqueue mqueue nosuid,nodev,noexec,optional 0 0\n"
        "lxc.idmap = u 0 1879048192 65536\n"
        "lxc.idmap = u 70000 1879113728 1\n"
        "lxc.idmap = g 0 1879048192 65536\n"
        "lxc.idmap = g 70000 1879113728 1\n"
        "lxc.net.0.type = empty\n"
        "lxc.net.0.flags = up\n"
        "lxc.mount.auto = proc:rw sys:rw cgroup:rw:force\n"
        "lxc.apparmor.profile = lxc-container-default-cgns\n"
        "lxc.seccomp.profile = /run/lxgit/c/seccomp\n"
        "lxc.cap.keep = chown\n"
        "lxc.cap.keep = kill\n"
    )
    usual = config_text(SPEC)
    assert "lxc.mount.auto = proc:mixed sys:ro cgroup:ro\n" in usual
    assert "lxc.mount.auto = proc:mixed sys:mixed cgroup:rw\n" in config_text(
        replace(SPEC, system=True)
    )


def test_what_is_asked_for_less() -> None:
    text = config_text(
        replace(
            SPEC,
            idmap=None,
            network="host",
            capabilities=None,
            apparmor=None,
            seccomp=None,
            masked=False,
        )
    )
    assert "lxc.idmap" not in text
    assert "lxc.net.0.type = none\nlxc.mount.auto = proc:rw cgroup:rw:force\n" in text
    assert "lxc.mount.auto = proc:mixed cgroup:ro\n" in config_text(replace(SPEC, network="host"))
    shared = config_text(replace(SPEC, namespace="/proc/7/fd/8"))
    assert "lxc.net.0.type = none\nlxc.namespace.share.net = /proc/7/fd/8\n" in shared
    assert text.endswith("lxc.apparmor.profile = unconfined\n")
    assert "lxc.cap.keep = none" in config_text(replace(SPEC, capabilities=()))


@given(st.text())
def test_no_host_name_adds_a_line(name: str) -> None:
    lines = len(config_text(SPEC).splitlines())
    try:
        text = config_text(replace(SPEC, hostname=name))
    except InvalidHostname:
        return
    assert len(text.splitlines()) == lines
    assert f"lxc.uts.name = {name}\n" in text


@pytest.mark.parametrize("name", ["", "-a", "a-", "a b", "a\n", "a=b", "x" * 65, "é", "a\0"])
def test_impossible_host_names(name: str) -> None:
    with pytest.raises(InvalidHostname):
        config_text(replace(SPEC, hostname=name))


@pytest.mark.parametrize("name", ["a", "A9.b-c", "x" * 64, "7"])
def test_possible_host_names(name: str) -> None:
    assert f"lxc.uts.name = {name}\n" in config_text(replace(SPEC, hostname=name))


def said(level: str, function: str, message: str) -> bytes:
    head = f"lxc-start {NAME} 20261124134122.659 {level:<8} start - ../src/lxc/start.c"
    return f"{head}:{function}:2217 - {message}\n".encode()


STARTED = said("NOTICE", "post_start", 'Started "/proc/self/fd/3" with pid "16208"')


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("", 0),
        ("Child <16208> ended on error (1)", 1),
        ("Child <16208> ended on error (255)", 255),
        ("Child <16208> ended on signal (9)", 137),  # LXC 5
        ("Child <16208> ended on signal Killed(9)", 137),  # LXC 6
        ("Child <16208> left us for other reasons", 125),
    ],
)
def test_exit_codes(line: str, code: int) -> None:
    log = Log()
    log.feed(STARTED)
    if line:
        log.feed(said("INFO", "lxc_error_set_and_log", line))
    assert (log.pid, log.exit_code) == (16208, code)


@given(st.integers(1, 60))
def test_the_log_may_come_in_any_pieces(size: int) -> None:
    text = STARTED + said("INFO", "lxc_error_set_and_log", "Child <16208> ended on error (7)")
    log = Log()
    for at in range(0, len(text), size):
        log.feed(text[at : at + size])
    assert (log.pid, log.exit_code) == (16208, 7)


def test_the_first_error_is_the_reason() -> None:
    log = Log()
    log.feed(said("WARN", "x", "nothing to worry about"))
    log.feed(said("ERROR", "lxc_setup", 'Failed to mount "proc"'))
    log.feed(said("ERROR", "__lxc_start", "Failed to spawn container"))
    assert log.pid is None
    assert log.failure().message == 'LXC could not start the container: Failed to mount "proc"'
    assert log.failure().exit_code == 125


def test_a_restart_from_inside_forgets_the_old_end() -> None:
    log = Log()
    log.feed(STARTED)
    log.feed(said("INFO", "lxc_error_set_and_log", "Child <16208> ended on signal Hangup(1)"))
    log.feed(STARTED.replace(b"16208", b"16300"))
    assert (log.pid, log.exit_code) == (16300, 0)


def test_the_capabilities_are_dockers() -> None:
    assert len(capabilities.DEFAULT) == 11
