"""Limits, capabilities, devices, ulimits, kernel parameters; create and update."""

from __future__ import annotations

import json
import shlex
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from lxgit.runtime import cgroups
from lxgit.runtime.enforcement import Enforcement
from lxgit.runtime.hierarchies import hierarchies
from lxgit.runtime.limits import Limits
from tests.support.program import PROGRAM
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from tests.support.program import Lxgit

pytestmark = [pytest.mark.root, pytest.mark.overlay, pytest.mark.lxc]

LIMITS = ("-m", "64m", "--cpus", "0.5", "--cpu-shares", "512", "--pids-limit", "20")


def inspected(lxgit: Lxgit, name: str) -> dict[str, Any]:
    (found,) = lxgit("inspect", name).json
    assert isinstance(found, dict)
    return found


def in_force(container: str) -> dict[str, str]:
    """What the control groups of a running container say, by the names of either version."""
    hosts = cgroups.controllers_of(container)
    files = {"memory": "limit_in_bytes max", "cpu": "cfs_quota_us shares max weight", "pids": "max"}
    said = {}
    for controller, names in files.items():
        for name in names.split():
            path = hosts[controller].group(container) / f"{controller}.{name}"
            if path.exists():
                said[path.name] = path.read_text().strip()
    return said


def expected(memory: int, cpus: float, shares: int, pids: int) -> dict[str, str]:
    if any(one.version == 1 and "memory" in one.controllers for one in hierarchies()):
        return {
            "memory.limit_in_bytes": str(memory),
            "cpu.cfs_quota_us": str(int(cpus * 100_000)),
            "cpu.shares": str(shares),
            "pids.max": str(pids),
        }
    return {
        "memory.max": str(memory),
        "cpu.max": f"{int(cpus * 100_000)} 100000",
        "cpu.weight": str(1 + (shares - 2) * 9999 // 262_142),
        "pids.max": str(pids),
    }


def test_limits_are_in_force_and_changed_at_once(based: Lxgit) -> None:
    based("run", "-d", "--name", "web", *LIMITS, "base", "sleep", "600")
    try:
        container = inspected(based, "web")["Id"]
        assert in_force(container) == expected(64 << 20, 0.5, 512, 20)
        for memory in (256, 32):  # up and down: memory with swap is never below memory
            based("update", "-m", f"{memory}m", "--cpus", "1", "--pids-limit", "30", "web")
            assert in_force(container) == expected(memory << 20, 1, 512, 30)
        host = inspected(based, "web")["HostConfig"]
        assert (host["Memory"], host["NanoCpus"]) == (32 << 20, 10**9)
        assert (host["CpuShares"], host["PidsLimit"]) == (512, 30)
        based("update", "-m", "0", "--cpus", "0", "--cpu-shares", "0", "--pids-limit", "0", "web")
        lifted = in_force(container)
        assert lifted["pids.max"] == "max"
        assert int(lifted.get("memory.limit_in_bytes", 1 << 62)) > 1 << 50
        assert lifted.get("memory.max", "max") == "max"
    finally:
        based("rm", "-f", "web")


MORE = ("-m", "64m", "--memory-swap", "96m", "--memory-reservation", "32m", "--cpuset-cpus", "0,0")


def swap_and_rest(container: str) -> list[str]:
    """Its limits of memory, of swap alone ("max": none), what it keeps, and its processors."""
    hosts = cgroups.controllers_of(container)
    memory = hosts["memory"].group(container)
    if hosts["memory"].version == 1:
        names = ("limit_in_bytes", "memsw.limit_in_bytes", "soft_limit_in_bytes")
        most, both, kept = (int((memory / f"memory.{name}").read_text()) for name in names)
        swap = "max" if both > 1 << 50 else str(both - most)
        numbers = [str(most), swap, str(kept)]
    else:
        names = ("max", "swap.max", "low")
        numbers = [(memory / f"memory.{name}").read_text().strip() for name in names]
    return [*numbers, (hosts["cpuset"].group(container) / "cpuset.cpus").read_text().strip()]


def test_swap_reservation_processors_and_who_is_killed_first(based: Lxgit) -> None:
    based("run", "-d", "--name", "web", *MORE, "--oom-score-adj", "500", "base", "sleep", "600")
    try:
        container = inspected(based, "web")["Id"]
        mib = 1 << 20
        assert swap_and_rest(container) == [str(64 * mib), str(32 * mib), str(32 * mib), "0"]
        script = "cat /proc/1/oom_score_adj /proc/self/oom_score_adj; grep allowed_l /proc/1/status"
        seen = based("exec", "web", "sh", "-c", script).lines
        assert seen[:2] == ["500", "500"]
        assert seen[2].split() == ["Cpus_allowed_list:", "0"]
        host = inspected(based, "web")["HostConfig"]
        assert (host["MemorySwap"], host["MemoryReservation"]) == (96 * mib, 32 * mib)
        assert (host["CpusetCpus"], host["OomScoreAdj"]) == ("0,0", 500)
        # Up, with any swap; down again, with none; and what has no memory to go with is not kept.
        based("update", "-m", "256m", "--memory-swap", "-1", "web")
        assert swap_and_rest(container)[:2] == [str(256 * mib), "max"]
        based("update", "-m", "48m", "--memory-swap", "48m", "--memory-reservation", "16m", "web")
        assert swap_and_rest(container)[:3] == [str(48 * mib), "0", str(16 * mib)]
        based("update", "-m", "0", "web")
        assert inspected(based, "web")["HostConfig"]["MemorySwap"] == 0
    finally:
        based("rm", "-f", "web")


def test_a_change_that_the_kernel_refuses_leaves_the_limits(based: Lxgit) -> None:
    based("run", "-d", "--name", "web", *MORE, "base", "sleep", "600")
    try:
        container = inspected(based, "web")["Id"]
        before = swap_and_rest(container)
        limits = Limits(
            memory=64 << 20, memory_swap=96 << 20, memory_reservation=32 << 20, cpuset="0"
        )
        with pytest.raises(OSError, match=r"out of range|Invalid"):  # no such processor
            Enforcement(container, limits).change(Limits(memory=128 << 20, cpuset="9000"))
        assert swap_and_rest(container) == before
    finally:
        based("rm", "-f", "web")


def test_memory_that_its_processes_share(based: Lxgit) -> None:
    script = "df -k /dev/shm | tail -n 1; head -c 2m /dev/zero >/dev/shm/x"
    done = based("run", "--name", "web", "--shm-size", "1m", "base", "sh", "-c", script, code=1)
    assert done.out.split()[1] == "1024"
    assert inspected(based, "web")["HostConfig"]["ShmSize"] == 1 << 20


def test_update_of_a_stopped_one_holds_at_its_next_start(based: Lxgit) -> None:
    based("create", "--name", "web", "base", "sleep", "600")
    assert based("update", *LIMITS, "web").out == "web\n"
    based("start", "web")
    try:
        assert in_force(inspected(based, "web")["Id"]) == expected(64 << 20, 0.5, 512, 20)
    finally:
        based("rm", "-f", "web")


def test_who_eats_memory_is_killed_and_inspect_says_so(based: Lxgit) -> None:
    based("run", "--name", "hog", "-m", "16m", "base", "tail", "/dev/zero", code=137)
    state = inspected(based, "hog")["State"]
    assert (state["OOMKilled"], state["PidsLimitReached"], state["ExitCode"]) == (True, False, 137)
    # A child of it: the container itself goes on, and has its own exit code.
    script = "tail /dev/zero; echo $?; exit 3"
    result = based("run", "--name", "child", "-m", "16m", "base", "sh", "-c", script, code=3)
    assert result.out == "137\n"
    assert inspected(based, "child")["State"]["OOMKilled"] is True
    based("run", "--name", "small", "-m", "16m", "base", "true")
    assert inspected(based, "small")["State"]["OOMKilled"] is False


def test_capabilities(based: Lxgit) -> None:
    def bounding(*options: str) -> int:
        script = "grep -E 'Cap(Bnd|Eff)' /proc/self/status | cut -f 2 | uniq"
        return int(based("run", "--rm", *options, "base", "sh", "-c", script).out, 16)

    usual = bounding()
    net_admin, chown, everything = (
        1 << 12,
        1,
        int(Path("/proc/sys/kernel/cap_last_cap").read_text()),
    )
    assert bounding("--cap-add", "NET_ADMIN") == usual | net_admin
    assert bounding("--cap-drop", "cap_chown") == usual & ~chown
    assert bounding("--cap-drop", "ALL") == 0
    assert bounding("--cap-drop", "all", "--cap-add", "chown") == chown
    assert bounding("--cap-add", "ALL", "--cap-drop", "CHOWN") == (2 << everything) - 1 & ~chown


def test_ulimits_and_kernel_parameters(based: Lxgit) -> None:
    before = Path("/proc/sys/kernel/shmmax").read_text()
    said = based(
        *("run", "--rm", "--ulimit", "nofile=100:200", "--ulimit", "core=0"),
        *("--sysctl", "kernel.shmmax=12345", "--sysctl", "net.ipv4.ping_group_range=3 4"),
        *("base", "sh", "-c", "ulimit -n; ulimit -Hn; ulimit -c"),
    )
    assert said.lines == ["100", "200", "0"]
    said = based(
        *("run", "--rm", "--sysctl", "kernel.shmmax=12345", "--sysctl", "net.ipv4.ip_forward=0"),
        *("base", "cat", "/proc/sys/kernel/shmmax", "/proc/sys/net/ipv4/ip_forward"),
    )
    assert said.lines == ["12345", "0"]
    assert Path("/proc/sys/kernel/shmmax").read_text() == before


def test_a_device_of_the_host(based: Lxgit) -> None:
    script = "head -c 3 /dev/host/zero | od -An -tx1; (echo > /dev/host/zero) 2>&- || echo no"
    device = "/dev/zero:/dev/host/zero:r"
    assert based("run", "--rm", "--device", device, "base", "sh", "-c", script).lines == [
        " 00 00 00",
    ]
    based("run", "--rm", "--device", "/dev/zero", "base", "true")  # which it has
    said = based(
        "run", "--rm", "base", "sh", "-c", "mknod /tmp/fuse c 10 229 && cat /tmp/fuse", code=1
    )
    assert "mknod" in said.err or "not permitted" in said.err


FAULTS = [
    (("-m", "x"), 2, "--memory takes a size, and 'x' is none"),
    (("--log-opt", "max-size=x"), 2, "--log-opt max-size takes a size, and 'x' is none"),
    (("--log-max-size", "x"), 2, "--log-max-size takes a size, and 'x' is none"),
    (("--tmpfs", "/x:size=x"), 2, "--tmpfs size takes a size, and 'x' is none"),
    (("--tmpfs", "/x:mode=x"), 2, "--tmpfs mode takes a mode, and 'x' is none"),
    (
        ("--mount", "type=tmpfs,target=/x,tmpfs-size=x"),
        2,
        "--mount tmpfs-size takes a size, and 'x' is none",
    ),
    (("-m", "1k"), 125, "no container fits into 1024 bytes of memory"),
    (("--cpus", "x"), 2, "--cpus takes a number"),
    (("--cpus", "9999"), 125, "--cpus 9999 is out of range: this host has"),
    (("--memory-swap", "1g"), 125, "and there is none of memory"),
    (("-m", "64m", "--memory-swap", "32m"), 125, "--memory-swap 33554432 is less than --memory"),
    (("--shm-size", "0"), 2, "--shm-size 0 is no size"),
    (("--cpuset-cpus", "0-9999"), 125, "--cpuset-cpus '0-9999': these processors are not there"),
    (("--cpuset-cpus", "1-0"), 125, "--cpuset-cpus '1-0': these processors are not there"),
    (("--cpuset-cpus", "0;1"), 125, "these processors are not there"),
    (("--oom-score-adj", "1001"), 125, "--oom-score-adj 1001 is out of range"),
    (("--cpu-shares", "1"), 125, "--cpu-shares 1 is out of range"),
    (("--pids-limit", "4194305"), 125, "--pids-limit 4194305 is out of range"),
    (("--cap-add", "net_adm"), 125, "there is no capability 'net_adm'"),
    (("--ulimit", "x=1"), 125, "there is no ulimit 'x'"),
    (("--ulimit", "nofile"), 125, "'nofile' is no ulimit"),
    (("--ulimit", "nofile=9:3"), 125, "the soft limit is above the hard one"),
    (("--ulimit", "nofile=-1"), 125, "Failed to set limit nofile"),
    (("--sysctl", "kernel.panic=1"), 125, "no kernel parameter 'kernel.panic' of its own"),
    (("--sysctl", "fs.mqueue.\u00e9=1"), 125, "no kernel parameter 'fs.mqueue.\u00e9' of its own"),
    (("--sysctl", "net.a/b=1"), 125, "no kernel parameter 'net.a/b' of its own"),
    (("--sysctl", "kernel.shmmax=1'; id; '"), 125, "is no setting"),
    (("--network", "host", "--sysctl", "net.ipv4.ip_forward=1"), 125, "is the host's own"),
    (("--sysctl", "net.ipv4.nope=1"), 125, "--sysctl net.ipv4.nope=1: the kernel does not take it"),
    (("--sysctl", "kernel.sem=x"), 125, "--sysctl kernel.sem=x: the kernel does not take it"),
    (("--device", "/dev/nope"), 125, "device '/dev/nope': No such file"),
    (("--device", "/etc/passwd:/dev/x"), 125, "'/etc/passwd' is no device"),
    (("--device", "/dev/zero:/x"), 125, "'/x' is no place for a device"),
    (("--device", "/dev/zero:/dev/../x"), 125, "is no place for a device"),
    (("--device", "/dev/zero:/dev/x:rx"), 125, "is no device"),
    (("--device", "/dev/zero:/dev/null"), 125, "the container has another '/dev/null'"),
    (("--stop-signal", "NOPE"), 2, "there is no signal 'NOPE'"),
    (("--stop-signal", "9" * 5000), 2, "there is no signal '999"),
]


def test_what_cannot_be_is_said(based: Lxgit) -> None:
    for options, code, words in FAULTS:
        result = based("run", "--rm", *options, "base", "echo", "ran", code=code)
        assert words in result.err.splitlines()[0], options
        assert result.out == ""
    assert based("ps", "-aq").out == ""


def test_create_makes_one_that_start_runs(based: Lxgit, scratch: Path) -> None:
    file = scratch / "id"
    made = based("create", "--name", "web", "--cidfile", str(file), "base", "sh", "-c", "exit 3")
    assert file.read_text().startswith(made.out.strip())
    assert len(file.read_text()) == 64
    assert "Created" in based("ps", "-a").lines[1]
    result = based("create", "--cidfile", str(file), "base", "true", code=125)
    assert f"'{file}' exists already" in result.err
    assert "file is empty\nhint: " in based("create", "--cidfile", "", "base", code=2).err
    assert len(based("ps", "-aq").lines) == 1
    based("start", "-a", "web", code=3)


def test_an_id_that_cannot_be_told_is_a_fault_of_ours(emptied: Lxgit, scratch: Path) -> None:
    """And no exit code of the command's own. One that runs goes on; one that does not, goes.

    The file with its id goes with it.
    """
    for line, left in (("create", 0), ("run -d", 1)):
        script = f"{PROGRAM} {line} --cidfile id base sleep 60 >/dev/full"
        done = subprocess.run(
            ["sh", "-c", script],
            env=emptied.environment(),
            cwd=scratch,
            capture_output=True,
            check=False,
            text=True,
        )
        assert done.stderr == "lxgit: cannot write the output: no space left on device\n"
        assert done.returncode == 125
        assert len(emptied("ps", "-aq").lines) == left
        assert (scratch / "id").exists() is bool(left)


def on_a_full_disk(lxgit: Lxgit, line: str) -> tuple[str, int]:
    """What a command says that cannot write its output, and how it ends."""
    done = subprocess.run(
        ["sh", "-c", f"{PROGRAM} {line} >/dev/full"],
        env=lxgit.environment(),
        capture_output=True,
        check=False,
        text=True,
    )
    return done.stderr, done.returncode


_FULL = "lxgit: cannot write the output: no space left on device\n"


def test_what_a_command_prints_and_cannot_be_written_is_a_fault_of_ours(emptied: Lxgit) -> None:
    emptied("run", "-d", "--name", "web", "base", "sleep", "60")
    assert on_a_full_disk(emptied, "exec web echo one") == (_FULL, 1)
    told, code = on_a_full_disk(emptied, "run --rm base echo one")
    assert told.startswith(_FULL)
    assert code == 125


@pytest.mark.parametrize(
    ("before", "line", "code"),
    [
        ("", "run --rm", 125),
        ("create", "start -a web", 1),
        ("run -d", "attach web", 1),
    ],
)
def test_a_container_whose_output_cannot_be_written_runs_on(
    emptied: Lxgit, before: str, line: str, code: int
) -> None:
    """What the hint says ends it."""
    wanted = ("--name", "web", "base", "sh", "-c", "while :; do echo one; sleep 0.05; done")
    if before:
        emptied(*before.split(), *wanted)
    else:
        line = shlex.join([*line.split(), *wanted])
    hint = "hint: container 'web' runs on; 'lxgit stop web' ends it\n"
    assert on_a_full_disk(emptied, line) == (_FULL + hint, code)
    emptied("stop", "-t", "0", "web")
    assert not emptied("ps", "-q").out


def test_the_file_with_an_id_goes_with_a_container_that_did_not_start(
    emptied: Lxgit, scratch: Path
) -> None:
    file = scratch / "id"
    emptied("run", "--rm", "--cidfile", file, "base", "nosuch", code=127)
    assert not file.exists()
    emptied("run", "--cidfile", file, "base", "nosuch", code=127)
    assert emptied("ps", "-aq", "--no-trunc").lines == [file.read_text()]


def test_labels_and_variables_of_files(based: Lxgit, scratch: Path) -> None:
    file, labels = scratch / "env", scratch / "labels"
    file.write_text("# a remark\n\nA=from file\nB=x=y\nHOME\nNOWHERE\n")
    labels.write_text("# a remark\n\na=from file\nc=two words\n")
    result = based(
        *("run", "--name", "web", "-l", "a=1", "--label", "b", "--env-file", str(file)),
        *("--label-file", str(labels), "-e", "A=later", "base"),
        *("sh", "-c", "echo $A; echo $B; echo ${NOWHERE-unset}"),
    )
    assert result.lines == ["later", "x=y", "unset"]
    assert inspected(based, "web")["Config"]["Labels"] == {"a": "1", "b": "", "c": "two words"}


def test_log_options_as_docker_has_them(based: Lxgit) -> None:
    words = ("--log-driver", "json-file", "--log-opt", "max-size=1m", "--log-opt", "max-file=3")
    based("run", "--name", "web", *words, "base", "true")
    found = inspected(based, "web")["HostConfig"]["LogConfig"]["Config"]
    assert found == {"max-size": str(3 << 20)}
    assert "knows nothing of 'x=1'" in based("run", "--log-opt", "x=1", "base", code=2).err


def test_stop_has_the_containers_own_signal_and_patience(based: Lxgit) -> None:
    script = "trap 'exit 7' USR1; trap '' TERM; echo up; while :; do sleep 0.05; done"
    based("run", "-d", "--name", "web", "--stop-signal", "USR1", "base", "sh", "-c", script)
    deaf = "trap 'echo told' TERM; echo up; while :; do echo beat; sleep 0.05; done"
    based("run", "-d", "--name", "deaf", "--stop-timeout", "1", "base", "sh", "-c", deaf)
    wait_until(lambda: "up\n" in based("logs", "web").out and "up\n" in based("logs", "deaf").out)
    based("stop", "web", "deaf")
    beats = based("logs", "deaf").out.partition("told\n")[2].count("beat\n")
    assert beats < 150  # Docker's ten seconds are not waited for
    assert inspected(based, "web")["State"]["ExitCode"] == 7
    assert inspected(based, "deaf")["State"]["ExitCode"] == 137
    assert json.loads(based("inspect", "deaf").out)[0]["Config"]["StopTimeout"] == 1


def test_init_reaps_and_passes_signals_on(based: Lxgit) -> None:
    script = "(sleep 0.01 &) ; sleep 0.3; while ps -o stat | grep Z; do sleep 0.1; done; exit 4"
    based("run", "--rm", "--init", "base", "sh", "-c", script, code=4, timeout=60)
    command = ("sh", "-c", "echo up; exec sleep 600")
    based("run", "-d", "--name", "web", "--init", "base", *command)
    wait_until(lambda: based("logs", "web").out == "up\n")  # process 1 hears signals by then
    based("stop", "web")  # as process 1 it would have no handler, and be killed after ten seconds
    assert inspected(based, "web")["State"]["ExitCode"] == 143
