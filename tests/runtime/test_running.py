"""Containers that run: exit codes, streams, what they see of themselves and of the host."""

from __future__ import annotations

import os
import re
import shutil
import signal
import stat
import subprocess
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lxgit.locks import LockHeld
from lxgit.records import replace
from lxgit.runtime import attach, overlay
from lxgit.runtime.attach import NotRunning, connect
from lxgit.runtime.config import EXITED, RUNNING
from lxgit.runtime.containers import edited
from lxgit.runtime.idmap import IdMap
from lxgit.runtime.logfile import read_log
from lxgit.runtime.protocol import StartFailed
from lxgit.runtime.security import Security
from lxgit.runtime.streams import Streams
from tests.support.stores import find
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from lxgit.runtime.containers import Container
    from tests.runtime.conftest import Machine

pytestmark = [pytest.mark.root, pytest.mark.lxc, pytest.mark.overlay]

ALL_CODES = (0, 1, 2, 42, 125, 126, 127, 128, 137, 255)


@pytest.mark.parametrize("code", ALL_CODES)
def test_the_commands_exit_code(machine: Machine, code: int) -> None:
    result = machine.shell(f"exit {code}")
    assert result.code == code
    state = find(machine.containers, result.container.id).state
    assert (state.status, state.exit_code, state.error) == (EXITED, code, None)
    assert state.started is not None
    assert state.finished is not None
    assert state.started < state.finished


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV, signal.SIGHUP])
def test_a_signal_ends_it_with_128_and_the_number(machine: Machine, number: int) -> None:
    """Process 1 dies of no signal that it does not handle, but SIGKILL: pid_namespaces(7)."""
    container = machine.create(
        "sh", "-c", f"trap 'exit {128 + number}' TERM HUP SEGV; sleep 600 & wait"
    )
    with machine.start(container) as session:
        wait_until(lambda: b"sleep" in processes_of(container))
        session.send_signal(number)
        assert session.wait() == 128 + number


def processes_of(container: Container) -> bytes:
    pid = container.state.pid
    tree = subprocess.run(["ps", "-e", "-o", "ppid=,args="], capture_output=True, check=True)
    return b"\n".join(
        line for line in tree.stdout.splitlines() if line.split()[0] == str(pid).encode()
    )


def test_a_command_killed_by_its_own_fault(machine: Machine) -> None:
    assert machine.run("busybox", "sh", "-c", "ulimit -c 0; kill -SEGV $$; exit 3").code == 3
    assert machine.shell("sh -c 'kill -SEGV $$'; exit $?").code == 139


@pytest.mark.parametrize(
    ("command", "code", "words"),
    [
        (("nosuch",), 127, "executable file not found in $PATH"),
        (("/bin/nosuch",), 127, "no such file or directory"),
        (("/etc/passwd",), 126, "permission denied"),
        (("/etc",), 126, "is a directory"),
        (("/etc/passwd/x",), 127, "no such file or directory"),
        ((), 127, "not found"),
        (("",), 127, "not found"),
    ],
)
def test_a_command_that_cannot_be_started(
    machine: Machine, command: tuple[str, ...], code: int, words: str
) -> None:
    container = machine.create(*command)
    with pytest.raises(StartFailed, match=re.escape(words)) as caught:
        machine.start(container)
    assert caught.value.exit_code == code
    state = find(machine.containers, container.id).state
    assert (state.status, state.exit_code, state.error) == (EXITED, code, caught.value.message)


def test_what_was_changed_until_it_begins_holds(machine: Machine) -> None:
    """As by `network connect` between `run`'s making of it and its start."""
    container = machine.create("busybox", "hostname")
    container.configured(replace(container.config, hostname="changed"))
    assert machine.go(container).out == b"changed\n"


def test_nobody_begins_what_somebody_changes(machine: Machine) -> None:
    container = machine.create("busybox", "hostname")
    begin, go = os.pipe()
    starter = os.fork()
    if starter == 0:
        try:
            os.read(begin, 1)
            machine.go(container)
        finally:
            os._exit(0)
    with edited(container) as now:
        os.write(go, b"\n")
        time.sleep(0.3)
        assert not now.is_locked
        now.configured(replace(now.config, hostname="changed"))
    os.waitpid(starter, 0)
    with (container.path / "log").open("rb") as stream:
        assert [record.data for record in read_log(stream)] == [b"changed\n"]


def test_files_that_the_kernel_refuses(machine: Machine, scratch: Path) -> None:
    layer = scratch / "layer"
    layer.mkdir()
    for name, content in (("interpreter", "#!/nowhere\n"), ("garbage", "\x7fELFgarbage")):
        (layer / name).write_text(content)
        (layer / name).chmod(0o755)
    lowers = [overlay.Lower(layer, IdMap.identity()), machine.base]
    result = machine.go(machine.create("/interpreter"), lowers=lowers)
    assert (result.code, result.err) == (127, b"lxgit: the kernel cannot execute the command\n")
    result = machine.go(machine.create("/garbage"), lowers=lowers)
    assert (result.code, result.err) == (126, b"lxgit: the kernel cannot execute the command\n")


def test_the_command_is_process_1_and_ends_the_container(machine: Machine) -> None:
    begin = time.monotonic()
    result = machine.shell("sleep 600 & echo $$; exit 3")
    assert (result.code, result.out) == (3, b"1\n")
    assert time.monotonic() - begin < 300


def test_standard_output_and_error_are_apart_and_logged(machine: Machine) -> None:
    result = machine.shell(r"printf 'a\377\n'; printf b >&2; exit 1")
    assert (result.out, result.err) == (b"a\xff\n", b"b")
    with (result.container.path / "log").open("rb") as stream:
        records = list(read_log(stream))
    assert b"".join(r.data for r in records if r.stream == "out") == b"a\xff\n"
    assert b"".join(r.data for r in records if r.stream == "err") == b"b"
    assert abs(records[0].time - time.time_ns()) < 60e9


def test_ten_megabytes_in_and_out_are_all_there(machine: Machine) -> None:
    data = os.urandom(10 << 20)
    result = machine.run("sh", "-c", "tee /copy; cat /copy >&2", input=data)
    assert result.code == 0
    assert result.out == data
    assert result.err == data


def test_without_i_the_input_is_empty(machine: Machine) -> None:
    assert machine.shell("cat; ls -l /proc/self/fd/0 | sed 's/.*-> //'").out == b"/dev/null\n"


def test_the_end_of_input_arrives(machine: Machine) -> None:
    assert machine.run("wc", "-c", input=b"").out == b"0\n"
    assert machine.run("wc", "-c", input=b"12345").out == b"5\n"


def test_a_command_that_reads_no_input_ends_all_the_same(machine: Machine) -> None:
    assert machine.run("true", input=b"x" * (3 << 20)).code == 0


HOSTILE = ("a\nlxc.idmap = u 0 0 1", "=", " x ", "'\"", "$(id)", "\\", "#", "é\udcff", "", "-n")


def test_arguments_and_environment_arrive_as_they_are(machine: Machine) -> None:
    environment = tuple(f"V{n}={value}" for n, value in enumerate(HOSTILE))
    script = 'for n in 0 1 2 3 4 5 6 7 8 9; do eval "printf \'%s\\\\0\' \\"\\$V$n\\""; done'
    result = machine.run(
        "sh", "-c", script + r'; printf "%s\0" "$@"', "sh", *HOSTILE, environment=environment
    )
    shown = [os.fsdecode(item) for item in result.out.split(b"\0")[:-1]]
    assert shown == [*HOSTILE, *HOSTILE]


def test_the_environment_that_every_container_has(machine: Machine) -> None:
    result = machine.run("env", environment=("HOME=/tmp", "A=b=c"), hostname="h.example")
    assert sorted(result.out.decode().splitlines()) == [
        "A=b=c",
        "HOME=/tmp",
        "HOSTNAME=h.example",
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "container=lxc",
    ]


@pytest.mark.parametrize("name", ["a\nlxc.cap.drop = sys_admin", "a b", "-a", "", "x" * 65])
def test_a_hostile_host_name_is_refused(machine: Machine, name: str) -> None:
    container = machine.create("true", hostname=name or " ")
    with pytest.raises(StartFailed, match="host name"):
        machine.start(container)


def test_the_working_directory(machine: Machine) -> None:
    assert machine.run("pwd", working_dir="/tmp").out == b"/tmp\n"
    assert machine.run("pwd", working_dir="/new/one\n\\x").out == b"/new/one\n\\x\n"
    with pytest.raises(StartFailed, match="working directory") as caught:
        machine.run("pwd", working_dir="/etc/passwd")
    assert caught.value.exit_code == 125


def test_users(machine: Machine) -> None:
    script = "id -u; id -g; echo $HOME; echo x > /dev/stdout"
    assert machine.shell(script, user="nobody").out == b"65534\n65534\n/\nx\n"
    assert machine.shell(script, user="1000:nogroup").out == b"1000\n65534\n/\nx\n"
    assert machine.shell(script).out == b"0\n0\n/root\nx\n"
    with pytest.raises(StartFailed, match="no user 'www'") as caught:
        machine.shell(script, user="www")
    assert caught.value.exit_code == 125


def test_isolation_as_seen_from_inside(machine: Machine) -> None:
    status = machine.run("cat", "/proc/self/status").out.decode()
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert int(fields["CapBnd"], 16) == 0x8004_05FB  # Podman's, which is less than Docker's
    assert int(fields["CapEff"], 16) == 0x8004_05FB
    assert fields["Seccomp"] == "2"
    for mask in ("SigBlk", "SigIgn", "SigCgt"):
        assert int(fields[mask], 16) == 0
    uid_map = machine.shell("cat /proc/self/uid_map /proc/self/gid_map").out.split()
    assert uid_map[:3] == uid_map[3:]
    assert (uid_map[0], uid_map[2]) == (b"0", b"65536")
    assert int(uid_map[1]) >= 100_000


@pytest.mark.parametrize(
    "script",
    [
        "mount -t tmpfs x /tmp",
        "umount /etc/hosts",
        "mknod /tmp/sda b 8 0",
        "echo 1 > /proc/sys/kernel/panic",
        "echo b > /proc/sysrq-trigger",
        "chroot /proc/1/root /bin/true && mount --bind / /tmp",
        "hostname other",
        "echo x > /sys/kernel/uevent_helper",
        "mkdir /sys/fs/cgroup/*/x",
        "ip link add x type dummy",
        "dmesg",
        "nice -n -5 true && renice -5 1",
    ],
)
def test_what_a_container_may_not(machine: Machine, script: str) -> None:
    assert machine.shell(script).code != 0


def test_a_container_sees_no_mounts_of_the_host(machine: Machine) -> None:
    mounts = machine.run("cat", "/proc/self/mountinfo").out.decode()
    roots = [line.split()[4] for line in mounts.splitlines()]
    assert "/" in roots
    allowed = ("/dev", "/proc", "/sys", "/etc/")
    assert not [path for path in roots if path != "/" and not path.startswith(allowed)]
    assert "nodev" in next(line for line in mounts.splitlines() if line.split()[4] == "/")


def test_no_descriptor_of_the_host_leaks_in(machine: Machine) -> None:
    with open("/etc/passwd", "rb") as secret:
        os.set_inheritable(secret.fileno(), True)
        result = machine.shell("ls /proc/self/fd")
    assert result.out.split() == [b"0", b"1", b"2", b"3"]  # 3: the directory that ls reads


def test_devices_of_an_image_are_dead(machine: Machine, scratch: Path) -> None:
    layer = scratch / "layer"
    layer.mkdir()
    os.mknod(layer / "zero", 0o020666, os.makedev(1, 5))
    (layer / "zero").chmod(0o666)
    lowers = [overlay.Lower(layer, IdMap.identity()), machine.base]
    container = machine.create("sh", "-c", "head -c1 /dev/zero | wc -c; head -c1 /zero")
    result = machine.go(container, lowers=lowers)
    assert result.out == b"1\n"
    assert b"Permission denied" in result.err


def test_networks(machine: Machine) -> None:
    links = "cat /proc/net/dev | sed 1,2d | cut -d: -f1"
    assert machine.shell(links).out.split() == [b"lo"]
    host = Path("/proc/net/dev").read_text().splitlines()[2:]
    expected = sorted(line.split(":")[0].strip() for line in host)
    result = machine.shell(links + "; ls /sys/class/net | wc -l; touch /sys/x", network="host")
    *names, count = result.out.decode().split()
    assert sorted(names) == expected
    assert int(count) == len(os.listdir("/sys/class/net"))  # of the namespace it was mounted in
    assert b"Read-only" in result.err


@pytest.mark.parametrize("network", ["none", "host"])
def test_control_groups_are_the_containers_own_and_read_only(
    machine: Machine, network: str
) -> None:
    script = (
        "cat /proc/self/cgroup; find /sys/fs/cgroup -name cgroup.procs; grep cgroup /proc/mounts"
    )
    said = machine.shell(script, network=network).out.decode().splitlines()
    assert all(line.endswith(":/") for line in said if line[0].isdigit())
    assert len([line for line in said if line.endswith("cgroup.procs")]) > 0
    assert "lxc.payload" not in "".join(said)
    mounts = [line.split()[3] for line in said if line.split()[2:3] in (["cgroup"], ["cgroup2"])]
    assert mounts
    assert all(options.startswith("ro") for options in mounts)


def test_files_of_etc_are_the_containers_own(machine: Machine) -> None:
    container = machine.create(
        "sh",
        "-c",
        "cat /etc/hostname; hostname; grep -c web /etc/hosts; cat /etc/resolv.conf; "
        "echo x >> /etc/hosts",
        hostname="web",
    )
    assert machine.go(container).out == b"web\nweb\n1\n"
    assert (machine.base.path / "etc/hosts").read_text() == "127.0.0.1\tlocalhost\n"
    assert os.listdir(container.upper) == []


def test_what_it_changes_stays_for_the_next_start(machine: Machine) -> None:
    container = machine.create("sh", "-c", "echo x >> /state; wc -l < /state")
    assert machine.go(container).out == b"1\n"
    assert machine.go(container).out == b"2\n"
    assert (container.upper / "state").stat().st_uid == container.config.ids.outside(0)


def test_a_second_start_is_refused(machine: Machine) -> None:
    container = machine.create("sleep", "60")
    with machine.start(container) as session:
        assert container.state.status == RUNNING
        with pytest.raises(LockHeld):
            machine.start(container)
        session.send_signal(signal.SIGKILL)
        assert session.wait() == 137


def test_a_wait_is_longer_than_the_kernels(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What poll(2) takes at a time, which here is little, is waited for again and again."""
    monkeypatch.setattr(attach, "_LONGEST", 0.05)
    container = machine.create("sleep", "600")
    with machine.start(container) as session:
        with pytest.raises(TimeoutError):
            session.wait(time.monotonic() + 0.12)
        pid = container.state.pid
        assert pid is not None
        killer = threading.Timer(0.5, os.kill, (pid, signal.SIGKILL))
        killer.start()
        assert session.wait(time.monotonic() + 600) == 137
        killer.join()


def test_others_can_attach(machine: Machine) -> None:
    container = machine.create(
        "sh", "-c", "read x; echo got $x; read y; echo $y >&2; exit 4", stdin_open=True
    )
    machine.start(container, detached=True).close()
    producer = subprocess.Popen(["sh", "-c", "echo one; echo two"], stdout=subprocess.PIPE)
    with producer as source, connect(container.path) as other:
        assert source.stdout is not None
        out, err = os.memfd_create("out"), os.memfd_create("err")
        assert other.attach(Streams(source.stdout.fileno(), out, err, tty=False)) == 4
    assert os.pread(out, 100, 0) == b"got one\n"
    assert os.pread(err, 100, 0) == b"two\n"
    with pytest.raises(NotRunning):
        connect(container.path)


def test_the_copy_of_a_store_has_no_say(machine: Machine, scratch: Path) -> None:
    container = machine.create("sleep", "60")
    with machine.start(container) as session:
        copy = shutil.copytree(container.path, scratch / "copy" / container.id)
        with pytest.raises(NotRunning):
            connect(copy)
        session.send_signal(signal.SIGKILL)
        assert session.wait() == 137


def test_after_exit_runs_before_anybody_hears_of_the_end(machine: Machine, scratch: Path) -> None:
    """With the container's lock held; or without, and as often as another has its record."""
    told = scratch / "told"

    def note(*, is_locked: bool, is_abandoned: bool) -> None:
        with told.open("a") as file:
            file.write(f"{is_locked}\n")
        if told.read_text().count("\n") < 3:
            raise LockHeld("the record is in use")

    with machine.start(machine.create("true"), after_exit=note) as session:
        assert session.wait() == 0
    assert told.read_text() == "True\nFalse\nFalse\n"


def test_ids_outside_the_range_have_a_place(machine: Machine, scratch: Path) -> None:
    layer = scratch / "layer"
    layer.mkdir()
    for name, owner in (("a", 70_000), ("b", 4_000_000_000)):
        (layer / name).write_text(name)
        os.chown(layer / name, owner, owner)
    lowers = [overlay.Lower(layer, IdMap.identity()), machine.base]
    container = machine.create(
        "sh",
        "-c",
        "stat -c %u /a /b; chmod 600 /a; mv /b /c; chown 70000 /c; stat -c %u /c",
        outside_range=(70_000, 4_000_000_000),
    )
    result = machine.go(container, lowers=lowers)
    assert (result.code, result.err) == (0, b"")
    assert result.out == b"70000\n4000000000\n70000\n"
    ids = container.config.ids
    assert ids.inside((container.upper / "c").stat().st_uid) == 70_000


def test_the_hosts_own_ids(machine: Machine) -> None:
    result = machine.shell(
        "cat /proc/self/uid_map; touch /x; grep CapBnd /proc/self/status", host_ids=True
    )
    assert result.out.split()[:3] == [b"0", b"0", b"4294967295"]
    assert result.out.split()[-1] == b"00000000800405fb"
    assert (result.container.upper / "x").stat().st_uid == 0


def test_devices_that_root_of_the_host_makes_are_dead_too(machine: Machine) -> None:
    """With the host's ids a container can make nodes in /dev; its control group keeps them shut."""
    script = "mknod /dev/mem c 1 1 && echo made && dd if=/dev/mem of=/dev/null count=1"
    security = Security(cap_add=("mknod",))
    result = machine.shell(script, host_ids=True, security=security)
    assert result.out == b"made\n"
    assert b"not permitted" in result.err
    assert result.code != 0


def test_privileged(machine: Machine) -> None:
    script = "grep -E 'CapBnd|Seccomp:' /proc/self/status; mount -t tmpfs x /tmp && echo mounted"
    result = machine.shell(script, privileged=True, host_ids=True)
    assert (
        result.out.split()[1]
        == Path("/proc/self/status").read_text().split("CapBnd:\t")[1].split()[0].encode()
    )
    assert result.out.split()[3:] == [b"0", b"mounted"]


def test_a_privileged_one_has_what_the_host_has(machine: Machine) -> None:
    script = "ls /dev; cat /proc/sys/kernel/hostname > /proc/sys/kernel/hostname && echo written"
    top, devices = os.stat("/dev").st_dev, set()
    for entry in os.scandir("/dev"):  # before it starts: others make loop devices meanwhile
        info = entry.stat(follow_symlinks=False)
        is_device = stat.S_ISCHR(info.st_mode) or stat.S_ISBLK(info.st_mode)
        if is_device and info.st_dev == top and entry.name != "console":
            devices.add(entry.name.encode())
    result = machine.shell(script, privileged=True, host_ids=True)
    assert devices <= set(result.out.split())
    assert result.out.endswith(b"\nwritten\n")
    assert b"kmsg" not in machine.shell("ls /dev", host_ids=True).out.split()
