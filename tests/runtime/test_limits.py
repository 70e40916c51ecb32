"""Limits as files of control groups, in either version; words that reach LXC's configuration."""

from __future__ import annotations

import errno
import json
import os
import select
import shutil
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lxgit import eventlog
from lxgit.errors import LxgitError
from lxgit.records import replace
from lxgit.runtime import cgroups, enforcement, seccomp, supervisor
from lxgit.runtime.capabilities import DEFAULT, NAMES, SYSTEM, UnknownCapability, kept, normalised
from lxgit.runtime.config import EXITED, decoded_config, encoded
from lxgit.runtime.containers import edited
from lxgit.runtime.hierarchies import Hierarchy
from lxgit.runtime.limits import (
    DEFAULT_SHM,
    LimitNotInForce,
    Limits,
    Setting,
    canonical,
    numbers,
    settings,
)
from lxgit.runtime.loop import Loop
from lxgit.runtime.process import pidfd_of_child
from lxgit.runtime.protocol import StartFailed
from lxgit.runtime.restarts import RestartPolicy
from lxgit.runtime.security import Device, Sysctl, Ulimit
from tests.support.rlimits import open_files
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from tests.runtime.conftest import Machine

ALL = Limits(memory=(64 << 20) + 17, cpus=1.5, cpu_shares=512, pids=20)
ID = "f" * 64
GIVEN = {"memory.max": "max", "memory.swap.max": "max", "pids.max": "20"}
MORE = Limits(memory=64 << 20, memory_swap=64 << 20, memory_reservation=32 << 20, cpuset="2,0-1")


def hosts(top: Path, version: int, *, swap: bool = True) -> dict[str, Hierarchy]:
    """Controllers of one hierarchy at `top`, whose groups count swap or do not."""
    name = "memory.memsw.limit_in_bytes" if version == 1 else "group/memory.swap.max"
    if swap:
        (top / name).parent.mkdir(exist_ok=True)
        (top / name).touch()
    (top / "cpuset.cpus").write_text("0-3\n")
    return dict.fromkeys(("memory", "cpu", "cpuset", "pids"), Hierarchy(top, version, ()))


def written(found: dict[str, Hierarchy], limits: Limits = ALL) -> dict[str, str]:
    return {one.file: one.value for one in settings(limits, found)}


def test_files_of_version_1(tmp_path: Path) -> None:
    assert written(hosts(tmp_path, 1)) == {
        "memory.limit_in_bytes": "67108864",
        "memory.memsw.limit_in_bytes": "134217728",
        "cpu.cfs_period_us": "100000",
        "cpu.cfs_quota_us": "150000",
        "cpu.shares": "512",
        "pids.max": "20",
    }


def test_files_of_version_2(tmp_path: Path) -> None:
    assert written(hosts(tmp_path, 2)) == {
        "memory.max": "67108864",
        "memory.swap.max": "67108864",
        "cpu.max": "150000 100000",
        "cpu.weight": "20",
        "pids.max": "20",
    }


def test_files_of_more_limits(tmp_path: Path) -> None:
    size, half = str(64 << 20), str(32 << 20)
    assert written(hosts(tmp_path, 1), MORE) == {
        "memory.limit_in_bytes": size,
        "memory.memsw.limit_in_bytes": size,
        "memory.soft_limit_in_bytes": half,
        "cpuset.cpus": "0-2",
    }
    assert written(hosts(tmp_path, 2), MORE) == {
        "memory.max": size,
        "memory.swap.max": "0",
        "memory.low": half,
        "cpuset.cpus": "0-2",
    }


@given(st.frozensets(st.integers(0, 300), min_size=1))
def test_processors_as_the_kernel_writes_them(found: frozenset[int]) -> None:
    text = canonical(found)
    assert numbers(text) == found
    assert len(text) <= len(",".join(map(str, found)))


def test_a_record_of_before_there_were_more_has_none(machine: Machine) -> None:
    """What is new in a record has its default: the containers of an older lxgit go on."""
    new = machine.create("true", limits=MORE, oom_score=1).config
    values = json.loads(encoded(new))
    for name in ("checksum", "groups", "shm_size", "oom_score", "dns_search", "dns_options"):
        del values[name]
    for name in ("memory_swap", "memory_reservation", "cpuset"):
        del values["limits"][name]
    old = decoded_config(json.dumps(values).encode())
    assert old.limits == Limits(memory=64 << 20)
    assert (old.shm_size, old.oom_score, old.groups, old.dns_search) == (DEFAULT_SHM, 0, (), ())


def test_a_kernel_that_counts_no_swap_is_not_asked_to(tmp_path: Path) -> None:
    for version in (1, 2):
        names = written(hosts(tmp_path, version, swap=False))
        assert not [name for name in names if "sw" in name]


def test_a_hybrid_host_has_each_controller_in_one_version(tmp_path: Path) -> None:
    found = hosts(tmp_path, 1) | {"pids": Hierarchy(tmp_path, 2, ())}
    versions = {one.controller: one.version for one in settings(ALL, found)}
    assert versions == {"memory": 1, "cpu": 1, "pids": 2}


@pytest.mark.parametrize(
    ("controller", "option"), [("memory", "--memory"), ("cpu", "--cpus"), ("pids", "--pids-limit")]
)
def test_what_the_host_cannot_give_is_named(tmp_path: Path, controller: str, option: str) -> None:
    found = hosts(tmp_path, 2)
    del found[controller]
    with pytest.raises(LimitNotInForce, match=f"^{option}: the kernel of this host") as caught:
        settings(ALL, found)
    assert caught.value.hint


def test_what_is_read_back_differently_is_named(tmp_path: Path) -> None:
    found = hosts(tmp_path, 2)
    group = found["pids"].group("f" * 64)
    wanted = settings(Limits(pids=20), found)
    enforcement._check("f" * 64, wanted, found)  # it has ended
    group.mkdir()
    with pytest.raises(LimitNotInForce, match="says nothing, not 20"):
        enforcement._check("f" * 64, wanted, found)
    (group / "pids.max").write_text("max\n")
    with pytest.raises(LimitNotInForce, match=r"--pids-limit is not in force: .*says max, not 20"):
        enforcement._check("f" * 64, wanted, found)
    (group / "pids.max").write_text("20\n")
    enforcement._check("f" * 64, wanted, found)


@pytest.mark.root
def test_limits_of_one_that_ends_while_they_are_read_are_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its file had been opened: ENODEV."""
    found = cgroups.controllers_of("f" * 64)
    group = found["pids"].group("f" * 64)

    def late(self: Path, encoding: str) -> str:
        with self.open(encoding=encoding) as file:
            group.rmdir()
            return file.read()

    group.mkdir()
    wanted = settings(Limits(pids=20), found)
    monkeypatch.setattr(Path, "read_text", late)
    enforcement._check("f" * 64, wanted, found)
    assert not group.exists()


def test_a_record_that_somebody_has_is_looked_at_again(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where no descriptor is left to do so by; what it says until then is in force."""
    found = hosts(tmp_path, 2)
    monkeypatch.setattr(cgroups, "controllers_of", lambda _: found)
    container = machine.create("true", limits=Limits(pids=16))
    group = found["pids"].group(container.id)
    group.mkdir()
    (group / "pids.max").write_text("16\n")
    begun, loop = enforcement.Enforcement(container.id, container.config.limits), Loop()
    with edited(container) as now:
        now.configured(replace(now.config, limits=Limits(pids=17)))
        begun.catch_up(container, loop)
        assert (group / "pids.max").read_text() == "17"
        with open_files(3):
            loop.turn()
        now.configured(replace(now.config, limits=Limits(pids=18)))
    with open_files(3):
        loop.turn()
    loop.turn()
    assert (group / "pids.max").read_text() == "18"
    loop.close()


def test_of_a_container_that_is_gone_there_is_no_record_to_look_at(machine: Machine) -> None:
    container = machine.create("true")
    shutil.rmtree(container.path)
    loop = Loop()
    enforcement.Enforcement(container.id, Limits()).catch_up(container, loop)
    loop.close()


def test_what_is_in_force_is_not_given_again(tmp_path: Path) -> None:
    """Which a kernel may refuse a group that is at its limit: memory, under version 1."""
    found = hosts(tmp_path, 1)
    wanted = settings(Limits(pids=20), found)
    group = found["pids"].group("f" * 64)
    group.mkdir()
    (group / "pids.max").write_text("20\n")
    enforcement._write("f" * 64, wanted, found)
    assert (group / "pids.max").read_text() == "20\n"


@pytest.fixture
def group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The control group of the container `ID`, with the limit of 20 processes."""
    found = hosts(tmp_path, 2)
    monkeypatch.setattr(cgroups, "controllers_of", lambda _: found)
    path = found["pids"].group(ID)
    path.mkdir()
    for name, value in GIVEN.items():
        (path / name).write_text(value)
    return path


@pytest.mark.parametrize("fault", [OSError(errno.EBUSY, "busy"), KeyboardInterrupt(), None])
def test_what_is_refused_leaves_what_there_was(
    group: Path, monkeypatch: pytest.MonkeyPatch, fault: BaseException | None
) -> None:
    """Of what was given before the kernel refused, or gave another, or somebody had enough."""

    def put(file: Path, value: str) -> None:
        if value != "33":
            file.write_text(value)
        elif fault is not None:
            raise fault

    monkeypatch.setattr(enforcement, "_put", put)
    with pytest.raises(LimitNotInForce if fault is None else type(fault)):
        enforcement.Enforcement(ID, Limits(pids=20)).change(Limits(pids=33, memory=64 << 20))
    assert {name: (group / name).read_text() for name in GIVEN} == GIVEN


def test_what_another_gives_at_this_moment_is_no_refusal(
    group: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The supervisor, which knows of what the record says, and gives that once."""
    inner = enforcement._check

    def late(*arguments: Any) -> None:
        monkeypatch.setattr(enforcement, "_check", inner)
        enforcement.Enforcement(ID, Limits(pids=20)).change(Limits(pids=20))
        inner(*arguments)

    monkeypatch.setattr(enforcement, "_check", late)
    enforcement.Enforcement(ID, Limits(pids=20)).change(Limits(pids=33))
    assert (group / "pids.max").read_text() == "33"


def given_wrong(monkeypatch: pytest.MonkeyPatch, since: Path) -> None:
    """Give LXC another value than the one that is read back, once that file is there.

    As where a key goes nowhere.
    """
    check = enforcement.Enforcement.check

    def honest(self: enforcement.Enforcement) -> None:
        self.settings = [one._replace(value="16") for one in self.settings]
        check(self)

    def wrong(limits: Limits, found: dict[str, Hierarchy]) -> list[Setting]:
        value = "17" if since.exists() else "16"
        return [one._replace(value=value) for one in settings(limits, found)]

    monkeypatch.setattr(enforcement, "settings", wrong)
    monkeypatch.setattr(enforcement.Enforcement, "check", honest)


@pytest.mark.root
@pytest.mark.lxc
@pytest.mark.overlay
def test_a_limit_that_is_not_in_force_ends_the_run_before_its_command(
    machine: Machine, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For good, whatever its restart policy; nobody hears that it has ended, nor began."""
    policy = RestartPolicy("on-failure", 2)
    container = machine.create("touch", "/ran", limits=Limits(pids=16), restart=policy)
    given_wrong(monkeypatch, since=scratch)
    with pytest.raises(
        StartFailed, match=r"--pids-limit is not in force: .* says 17, not 16"
    ) as told:
        machine.start(container)
    assert told.value.exit_code == 125
    wait_until(lambda: container.state.status == EXITED)
    assert not (container.upper / "ran").exists()
    assert (container.state.exit_code, container.state.restarts) == (125, 0)
    assert not happened(scratch)


@pytest.mark.root
@pytest.mark.lxc
@pytest.mark.overlay
def test_no_policy_starts_what_has_no_limit_in_force(
    machine: Machine, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = RestartPolicy("on-failure", 3)
    script = "touch /ran; exit 3"
    container = machine.create("sh", "-c", script, limits=Limits(pids=16), restart=policy)
    given_wrong(monkeypatch, since=container.upper / "ran")
    machine.start(container, detached=True).close()
    wait_until(lambda: container.state.status == EXITED)
    assert container.state.restarts == 1
    assert "says 17, not 16" in str(container.state.error)
    assert happened(scratch) == ["start", "die"]


@pytest.mark.root
@pytest.mark.lxc
@pytest.mark.overlay
def test_nobody_hears_of_one_that_was_killed_before_its_command(
    machine: Machine, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was LXC that was, with process 1: neither began, and no policy starts it again."""
    container = machine.create("touch", "/ran", restart=RestartPolicy("on-failure", 2))

    def killed(pid: int, lxc: int) -> int:
        init = pidfd_of_child(pid, lxc)
        for number in (lxc, pid):
            os.kill(number, signal.SIGKILL)
        os.waitid(os.P_PID, lxc, os.WEXITED | os.WNOWAIT)
        assert select.select([init], [], [], 60)[0]
        return init

    monkeypatch.setattr(supervisor, "pidfd_of_child", killed)
    with pytest.raises(StartFailed):
        machine.start(container)
    wait_until(lambda: container.state.status == EXITED)
    assert container.state.restarts == 0
    assert not happened(scratch)
    assert not (container.upper / "ran").exists()


def happened(store: Path) -> list[str]:
    return [event.action for event in eventlog.past(store) if event.action in ("start", "die")]


@pytest.mark.parametrize(
    ("text", "memory", "pids"),
    [
        ("/c/memory.events:low 0\n/c/memory.events:oom_kill 0\n/c/pids.events:max 0\n", 0, 0),
        ("/c/memory.events:max 9\n/c/memory.events:oom_kill 2\n/c/pids.events:max 0\n", 1, 0),
        ("/c/memory.oom_control:oom_kill 10\n/c/pids.events:max 31\n", 1, 1),
        ("", 0, 0),
    ],
)
def test_which_limit_a_container_ran_into(
    tmp_path: Path, text: str, memory: int, pids: int
) -> None:
    (tmp_path / "events").write_text(text)
    assert enforcement.reached(tmp_path) == (bool(memory), bool(pids))


@pytest.mark.parametrize("name", ["run-a\\x2db.service", "two words", "$(false)", "it's", "größe"])
def test_what_counts_is_kept_of_a_group_of_any_name(tmp_path: Path, name: str) -> None:
    group, directory = tmp_path / name, tmp_path / "of it"
    for path in (group, directory):
        path.mkdir()
    files = [group / "memory.events", group / "pids.events"]
    for path, text in zip(files, ("max 9\noom_kill 2\n", "max 1\n"), strict=True):
        path.write_text(text)
    subprocess.run(["sh", "-c", enforcement.keeping(files, directory)], check=True)
    assert enforcement.reached(directory) == (True, True)


def test_what_counts_is_of_the_controllers_that_there_are(tmp_path: Path) -> None:
    """As where an ordinary user was given some."""
    for version, memory in ((1, "memory.oom_control"), (2, "memory.events")):
        there = hosts(tmp_path, version)
        found = [path.name for path in enforcement.counters("it", there)]
        assert found == [memory, "pids.events"]
        for name, rest in (("memory", ["pids.events"]), ("pids", [memory])):
            less = {one: there[one] for one in there if one != name}
            assert [path.name for path in enforcement.counters("it", less)] == rest


def test_capabilities_are_added_and_dropped() -> None:
    assert kept((), ()) == tuple(sorted(DEFAULT))
    assert set(kept(("net_admin",), ("chown",))) == {*DEFAULT, "net_admin"} - {"chown"}
    assert kept(("chown",), ("all",)) == ("chown",)
    assert kept((), ("all",)) == ()
    assert normalised("CAP_SYS_ADMIN") == "sys_admin"
    assert set(SYSTEM) <= set(NAMES)
    with pytest.raises(UnknownCapability):
        normalised("sys_everything")


def test_a_capability_brings_back_its_system_calls() -> None:
    usual = seccomp.profile(DEFAULT).splitlines()
    more = seccomp.profile((*DEFAULT, "sys_admin", "sys_boot")).splitlines()
    assert usual[:4] == ["2", "denylist", "reject_force_umount", "[all]"]
    assert {"mount errno 1", "clone3 errno 38", "keyctl errno 1", "kexec_load errno 1"} <= {*usual}
    assert "mount errno 1" not in more
    assert "clone3 errno 38" not in more
    assert "reboot errno 1" not in more
    assert "kexec_load errno 1" in more
    assert not [line for line in more if line.startswith("clone ")]


@given(st.text() | st.from_regex(r"/dev/[a-z/.]+(:/dev/[a-z/.\n]+)?(:[rwmx]+)?"))
def test_a_device_in_one_spelling_or_none(text: str) -> None:
    try:
        device = Device.of(text)
    except LxgitError:
        return
    assert str(Device.of(str(device))) == str(device)
    assert ".." not in device.name.split("/")
    assert not set(device.name) & set("\n ='")
    assert set(device.rights) <= set("rwm")


@given(st.text() | st.from_regex(r"(net|kernel)\.[a-z_./]+=[a-z0-9 ';$\n]*"))
def test_a_kernel_parameter_is_no_shell_command(text: str) -> None:
    try:
        found = Sysctl.of(text, "none")
    except LxgitError:
        return
    assert not set(str(found)) & set("\n'\"`$;&|<>()\\*?[]#~")
    assert "/.." not in found.path


@given(st.text() | st.from_regex(r"[a-z]+=[-0-9a-z]+(:[-0-9\n]+)?"))
def test_an_ulimit_in_one_spelling_or_none(text: str) -> None:
    try:
        limit = Ulimit.of(text)
    except LxgitError:
        return
    assert Ulimit.of(str(limit)) == limit
    assert "\n" not in str(limit)
