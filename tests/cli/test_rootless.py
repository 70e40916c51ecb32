"""An ordinary user's containers: the program as a user runs it who has ids in /etc/subuid."""

from __future__ import annotations

import contextlib
import io
import json
import os
import pwd
import shutil
import signal
import subprocess
import tarfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support import rootfs, waiting
from tests.support.builder import Attributes, Builder, acl, capability
from tests.support.program import Lxgit
from tests.support.registry import PASSWORD, USER

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.ordinary import OrdinaryUser
    from tests.support.registry import Registry

pytestmark = [pytest.mark.root, pytest.mark.overlay, pytest.mark.lxc]

NONE = ("--network", "none")


def test_a_command_runs(person: OrdinaryUser) -> None:
    """Its root is the user outside; exit codes, output, input and a terminal are as for root."""
    outside = f"0 0 1 1 1 {1 << 16}"
    script = "tr -s ' \\n' ' ' </proc/self/uid_map; id -u; echo error >&2; exit 3"
    ran = person("run", "--rm", *NONE, "base", "sh", "-c", script, code=3)
    assert " ".join(ran.out.split()) == f"{outside} 0"
    assert ran.err == "error\n"
    assert person("run", "--rm", "-i", *NONE, "base", "cat", stdin=b"in", code=0).out == "in"
    assert person("run", "--rm", *NONE, "base", "nope", code=127).out == ""
    assert person("run", "--rm", *NONE, "-u", "nobody", "base", "id", "-u", code=0).out == "65534\n"
    assert person("ps", "-aq", code=0).out == ""

    terminal = person.terminal(
        "run", "--rm", "-it", *NONE, "base", "sh", "-c", "tty; read x; exit 7"
    )
    terminal.expect("/dev/pts/0")
    terminal.sendline("")
    terminal.wait()
    assert terminal.exitstatus == 7


def test_a_long_log_is_had_on_the_disk(person: OrdinaryUser) -> None:
    """By a child that has left the container's mounts, which a user namespace lets it."""
    printing = "dd if=/dev/zero bs=64k count=270; sleep 600"
    person("run", "-d", "--name", "c", *NONE, "base", "sh", "-c", printing, code=0)
    (log,) = person.passage.glob("**/containers/*/log")
    waiting.wait_until(lambda: "user.lxgit.flushed" in os.listxattr(log))
    person("rm", "-f", "c", code=0)


def test_version_2_of_control_groups_alone(person: OrdinaryUser) -> None:
    """As on most hosts, where the user may make no group in it."""
    unified = "umount -R /sys/fs/cgroup; mount -t cgroup2 none /sys/fs/cgroup"
    run = replace(person, before=unified)
    assert run("run", "--rm", *NONE, "base", "echo", "hi", code=0).out == "hi\n"


def test_isolation_as_seen_from_inside(person: OrdinaryUser) -> None:
    """What the container of an ordinary user can do is what root's can, or less."""
    script = """
        grep -E '^(CapEff|CapBnd|NoNewPrivs|Seccomp):' /proc/self/status | tr -s '\\t' ' '
        echo $(ls /dev)
        ls /sys/class/net
        mknod /null c 1 3 2>/dev/null || echo no devices
        mount -t tmpfs none /mnt 2>/dev/null || echo no mounts
        echo 1 2>/dev/null >/proc/sys/kernel/hostname || echo no parameters
        head -c 1 /dev/zero | wc -c
        cat /proc/1/comm
    """
    seen = person("run", "--rm", *NONE, "base", "sh", "-c", script, code=0).lines
    assert seen == [
        "CapEff: 00000000800405fb",
        "CapBnd: 00000000800405fb",
        "NoNewPrivs: 0",
        "Seccomp: 2",
        "fd full mqueue null ptmx pts random shm stderr stdin stdout tty urandom zero",
        "lo",
        "no devices",
        "no mounts",
        "no parameters",
        "1",
        "sh",
    ]


def test_the_life_of_a_container(person: OrdinaryUser) -> None:
    script = "trap 'exit 9' TERM; echo ready; while :; do sleep 0.1; done"
    person("run", "-d", "--name", "c1", *NONE, "base", "sh", "-c", script, code=0)
    waiting.wait_until(lambda: person("logs", "c1").out == "ready\n")
    assert "Up" in person("ps", code=0).lines[1]
    joined = person(
        "exec", "-u", "33", "c1", "sh", "-c", "id -u; readlink /proc/1/exe; exit 5", code=5
    )
    assert joined.out.splitlines()[0] == "33"
    assert "sleep" in person("top", "c1", "-eo", "pid,args", code=0).out
    assert person("inspect", "--format", "{{.State.Running}}", "c1", code=0).out == "true\n"
    person("stop", "c1", code=0)
    assert "Exit 9" in person("ps", "-a", code=0).lines[1]
    person("start", "c1", code=0)
    person("kill", "c1", code=0)
    assert "Exit 137" in person("ps", "-a", code=0).lines[1]
    person("rm", "c1", code=0)
    assert person("ps", "-aq", code=0).out == ""


@pytest.mark.usefixtures("outside")
def test_a_supervisor_that_is_killed(person: OrdinaryUser, networked: OrdinaryUser) -> None:
    """Nothing of its container goes on, and the next command clears up."""
    script = "echo kept >/tmp/new; mv /tmp/new /new; sleep 1000"
    networked("run", "-d", "--name", "c1", "base", "sh", "-c", script, code=0)
    waiting.wait_until(lambda: "/new" in person("diff", "--name-status", "c1").out)
    (state,) = (person.passage / "home/store/containers").glob("*/state.json")
    os.kill(json.loads(state.read_text())["supervisor"], signal.SIGKILL)
    waiting.wait_until(lambda: "Exit 137" in person("ps", "-a").out)
    waiting.wait_until(lambda: not list(_processes_of(person.number)))
    person("commit", "-m", "kept", "c1", code=0)
    assert person("show", "base:/new", code=0).out == "kept\n"
    assert os.listdir(f"/tmp/lxgit-{person.number}/c") == []


def _processes_of(user: int) -> Iterator[str]:
    """What a user runs, but for what has ended."""
    for name in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            status = Path("/proc", name, "status").read_text()
            if f"\nUid:\t{user}\t" in status and "\nState:\tZ" not in status:
                yield name


def test_what_changed_is_committed_exactly(person: OrdinaryUser) -> None:
    """Owners, modes, links, times and attributes come back as numbers of the image."""
    script = """
        mkdir -p /srv/a && echo file >/srv/a/f && ln /srv/a/f /srv/g && mkfifo /srv/p
        chown 33:44 /srv/a/f && chmod 4755 /srv/a/f && chown 65534:1 /srv/a && chmod 2770 /srv/a
        ln -s nowhere /srv/l && chown -h 7:8 /srv/l && touch -d @1000000000 /srv/p
        rm /etc/hosts 2>/dev/null; rm -r /bin/vi; rm -r /root; mkdir /root; touch /root/new
    """
    person("run", "--name", "c1", *NONE, "base", "sh", "-c", script, code=0)
    changed = person("diff", "--name-status", "c1", code=0).lines
    assert {"D\t/bin/vi", "A\t/srv/a/f", "A\t/srv/g", "A\t/srv/l"} <= set(changed)
    person("commit", "-m", "changes", "c1", code=0)
    assert "Nothing to commit" in person("status", code=0).out
    member = {one.name.removeprefix("./"): one for one in _members(person)}
    found = member["srv/a/f"]
    assert (found.uid, found.gid, found.mode, found.isfile()) == (33, 44, 0o4755, True)
    assert (member["srv/g"].linkname, member["srv/a"].mode) == ("./srv/a/f", 0o2770)
    assert (member["srv/a"].uid, member["srv/l"].uid, member["srv/p"].mtime) == (65534, 7, 10**9)
    assert "bin/vi" not in member

    shown = person("run", "--rm", *NONE, "base", "stat", "-c", "%u %g %a %h", "/srv/g", code=0)
    assert shown.out == "33 44 4755 2\n"
    assert person("run", "--rm", *NONE, "base", "ls", "-A", "/root", code=0).out == "new\n"
    assert person("fsck", code=0).out == "No faults found.\n"
    person("rm", "c1", code=0)
    person("prune", code=0)
    again = person("run", "--rm", *NONE, "base", "stat", "-c", "%u %g %a %h", "/srv/a/f", code=0)
    assert again.out == "33 44 4755 2\n"


def _members(person: OrdinaryUser) -> list[tarfile.TarInfo]:
    exported = person("export", "base", code=0).stdout
    with tarfile.open(fileobj=io.BytesIO(exported)) as tar:
        return tar.getmembers()


def test_every_attribute_comes_back(
    person: OrdinaryUser, busybox_rootfs: Path, scratch: Path
) -> None:
    """Through a layer, a copy-up in a container, and a commit."""
    tree = scratch / "tree"
    subprocess.run(["cp", "-a", busybox_rootfs, tree], check=True)
    (tree / "kept").mkdir()
    builder = Builder(os.fsencode(tree / "kept"))
    named = ("USER", 33, 4), ("group", None, 4), ("mask", None, 4)
    access = acl([("user", None, 6), *named, ("other", None, 0)])
    for name, attributes in {
        b"capable": Attributes(0o755, xattrs={b"security.capability": capability(1 << 13)}),
        b"acl": Attributes(0o640, xattrs={b"system.posix_acl_access": access}),
        b"setuid": Attributes(0o6755, 33, 44),
        b"noted": Attributes(0o600, 65534, 65534, xattrs={b"user.x": b"\0y"}),
    }.items():
        builder.file(name, name, attributes)
    builder.sparse(b"sparse", [(1 << 20, b"end")], (1 << 20) + 3, Attributes(0o644, 5, 6))
    builder.directory(b"sticky", Attributes(0o3775, 7, 8))
    builder.node(b"fifo", "fifo", attributes=Attributes(0o620, 1, 5))
    builder.file(b"pair", b"two names", Attributes(0o644, 9, 9))
    builder.link(b"pair-too", b"pair")
    builder.finish()
    archive = rootfs.make_tar(tree, person.passage / "tree.tar")
    archive.chmod(0o644)
    person("import", str(archive), "kept", code=0)
    before = _kept(person)
    assert len(before) == 9
    script = "for file in /kept/[!p]*; do touch -d @5 $file; done"  # which would part the two
    person("run", "--name", "c1", *NONE, "kept", "sh", "-c", script, code=0)
    assert len(person("diff", "--name-status", "c1", code=0).lines) == 6  # a directory is not told
    person("commit", "-m", "touched", "c1", code=0)
    assert _kept(person) == before
    assert person("fsck", code=0).out == "No faults found.\n"


def _kept(person: OrdinaryUser) -> dict[str, object]:
    """All about the entries of /kept but their times."""
    exported = person("export", "kept", code=0).stdout
    with tarfile.open(fileobj=io.BytesIO(exported)) as tar:
        return {
            one.name: (
                *(one.type, one.mode, one.uid, one.gid, one.size, one.linkname),
                {name: value for name, value in one.pax_headers.items() if "xattr" in name},
            )
            for one in tar.getmembers()
            if one.name.startswith("./kept/")
        }


def test_files_are_copied(person: OrdinaryUser) -> None:
    """To and from a container that runs, and one that does not."""
    for arguments in (("sleep", "1000"), ("true",)):
        person("run", "-d", "--name", "c1", *NONE, "base", *arguments, code=0)
        if arguments == ("true",):
            person("wait", "c1", code=0)
        archive = person("cp", "c1:/etc/passwd", "-", code=0).stdout
        with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
            assert tar.getnames() == ["./passwd"]
        person("cp", "-", "c1:/srv", stdin=archive, code=0)
        assert person("diff", "--name-status", "c1", code=0).out == "A\t/srv/passwd\n"
        person("rm", "-f", "c1", code=0)


@pytest.mark.parametrize(
    ("options", "fault", "hint"),
    [
        (["--network", "bridge"], "--network bridge is for containers of root", "--network user"),
        (["--privileged"], "--privileged is for containers of root", "as root"),
        (["--userns=host"], "--userns=host is for containers of root", "as root"),
        (["--device", "/dev/null"], "--device is for containers of root", "as root"),
        (["--init-system"], "--init-system is for containers of root", "as root"),
        (["--memory", "100m"], "--memory: no control group was given to you", "lxgit"),
        (["--pids-limit", "10"], "--pids-limit: no control group was given to you", "lxgit"),
        (["--cpuset-cpus", "0"], "--cpuset-cpus: no control group was given to you", "lxgit"),
        (["--oom-score-adj", "-1"], "--oom-score-adj below 0 is for containers", "as root"),
        (["--network", "container:x"], "--network container:x is for containers of root", "user"),
    ],
)
def test_what_is_roots_alone(
    person: OrdinaryUser, options: list[str], fault: str, hint: str
) -> None:
    refused = person("run", "--rm", *options, "base", "true", code=125)
    assert fault in refused.err
    assert hint in refused.err.splitlines()[1]
    assert person("ps", "-aq", code=0).out == ""


def test_a_bridge_is_roots_alone_later_too(person: OrdinaryUser) -> None:
    person("create", "--name", "c1", *NONE, "base", "true", code=0)
    refused = person("network", "connect", "bridge", "c1", code=125)
    assert "networks on a bridge are for containers of root alone" in refused.err
    person("start", "c1", code=0)


def test_what_a_user_may_ask_for_too(person: OrdinaryUser) -> None:
    options = ("--shm-size", "1m", "--group-add", "7", "--oom-score-adj", "100")
    script = "df -k /dev/shm | tail -n 1; cat /proc/1/oom_score_adj; grep -E 'Gro|Seccomp:' $1"
    shell = ("base", "sh", "-c", script, "sh", "/proc/self/status")
    free = ("--security-opt", "seccomp=unconfined")
    shm, score, groups, seccomp = person("run", "--rm", *NONE, *options, *free, *shell).lines
    assert shm.split()[1] == "1024"
    assert score == "100"
    assert "7" in groups.split()
    assert seccomp.split() == ["Seccomp:", "0"]


def test_a_running_one_has_no_control_groups(person: OrdinaryUser) -> None:
    person("run", "-d", "--name", "c1", *NONE, "base", "sh", "-c", "touch /new; sleep 1000", code=0)
    waiting.wait_until(lambda: "/new" in person("diff", "--name-status", "c1").out)
    for words in (["pause", "c1"], ["stats", "--no-stream"], ["commit", "-m", "x", "c1"]):
        assert "no control group" in person(*words, code=1).err
    refused = person("update", "--memory", "100m", "c1", code=125)
    assert "--memory: no control group was given to you" in refused.err
    person("commit", "--pause=false", "-m", "x", "c1", code=0)
    assert "no changes" in person("status", code=0).out


def test_devices_stay_in_git(person: OrdinaryUser) -> None:
    """They are told of, are not in containers, and are there after a commit; so with attributes."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, kind in (("dev", tarfile.DIRTYPE), ("dev/sda", tarfile.BLKTYPE)):
            entry = tarfile.TarInfo(name)
            entry.type, entry.devmajor, entry.mode = kind, 8, 0o755
            tar.addfile(entry)
        entry = tarfile.TarInfo("file")
        entry.pax_headers = {
            "SCHILY.xattr.trusted.x": "root's",
            "SCHILY.xattr.user.overlay.opaque": "y",
            "SCHILY.xattr.user.x": "anybody's",
        }
        tar.addfile(entry)
        busybox = (person.passage / "busybox.tar").read_bytes()
        with tarfile.open(fileobj=io.BytesIO(busybox)) as source:
            for member in source.getmembers():
                if not member.name.startswith("./dev"):
                    tar.addfile(member, source.extractfile(member) if member.isfile() else None)
    path = person.passage / "devices.tar"
    path.write_bytes(archive.getvalue())
    path.chmod(0o644)
    person("import", str(path), "devices", code=0)
    told = person("run", "--name", "c1", *NONE, "devices", "touch", "/new", code=0)
    assert "2 devices and attributes of the image are not in containers" in told.err
    assert person("diff", "--name-status", "c1", code=0).out == "A\t/new\n"
    person("commit", "-m", "new", "c1", code=0)
    exported = person("export", "devices", code=0).stdout
    with tarfile.open(fileobj=io.BytesIO(exported)) as tar:
        assert tar.getmember("./dev/sda").isblk()
        headers = tar.getmember("./file").pax_headers
    assert headers["SCHILY.xattr.trusted.x"] == "root's"
    assert headers["SCHILY.xattr.user.overlay.opaque"] == "y"
    assert person("fsck", code=0).out == "No faults found.\n"


def test_ids_that_the_user_has_not(person: OrdinaryUser) -> None:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        entry = tarfile.TarInfo("file")
        entry.uid = 100_000
        tar.addfile(entry)
    person("import", "-", "large", stdin=archive.getvalue(), code=0)
    refused = person("run", *NONE, "large", "true", code=125)
    assert "files of id 100000, and your ids end before that" in refused.err


def test_a_kernel_that_gives_no_namespace(person: OrdinaryUser) -> None:
    """As Ubuntu's AppArmor has it. A store that has but history works all the same."""
    for call, hint in (
        ("unshare EPERM", "unprivileged_userns_clone"),
        ("unshare ENOSPC", "max_user_namespaces"),
        ("mount EACCES", "apparmor_restrict_unprivileged_userns"),
    ):
        denied = replace(person, denied=call)
        refused = denied("run", *NONE, "base", "true", code=125)
        assert "the kernel gives no user namespace to ordinary users" in refused.err
        assert hint in refused.err.splitlines()[1]
        assert denied("images", "-q", code=0).out != ""


def test_a_command_that_joins_can_be_killed(person: OrdinaryUser) -> None:
    """As a health check is that takes too long."""
    check = ("--health-cmd", "sleep 600", "--health-timeout", "1ms", "--health-interval", "100ms")
    options = ("--name", "c1", *NONE, *check, "--health-retries", "1")
    person("run", "-d", *options, "base", "sleep", "1000", code=0)
    status = ("inspect", "--format", "{{.State.Health.Status}}", "c1")
    waiting.wait_until(lambda: person(*status, code=0).out == "unhealthy\n")
    person("rm", "-f", "c1", code=0)


def test_where_what_runs_is_kept(person: OrdinaryUser) -> None:
    """A stranger's directory is refused; that of the user's session is taken if there is one."""
    had_any = Path("/run/user").exists()
    session, lasting = (Path(f"{place}{person.number}") for place in ("/run/user/", "/tmp/lxgit-"))
    shutil.rmtree(lasting, ignore_errors=True)
    try:
        for part in ("", "stage", "b", "c"):  # down to the last of what a user's own has
            (lasting / part).mkdir(mode=0o755)
            refused = person("run", "--rm", *NONE, "base", "true", code=125)
            assert f"'{lasting}' is not yours" in refused.err
        session.mkdir(parents=True)
        os.chown(session, person.number, person.number)
        person("run", "-d", "--name", "c1", *NONE, "base", "sleep", "1000", code=0)
        assert (session / "lxgit").stat().st_mode & 0o7777 == 0o700
        assert person("exec", "c1", "echo", "hi", code=0).out == "hi\n"
        person("rm", "-f", "c1", code=0)
    finally:
        shutil.rmtree(lasting)
        shutil.rmtree(session, ignore_errors=True)
        if not had_any:
            session.parent.rmdir()


def test_the_unit_is_the_users(person: OrdinaryUser) -> None:
    unit = person("system", "service", code=0).lines
    assert f"User={person.number}" in unit


def test_a_directory_is_imported_with_its_owners(person: OrdinaryUser) -> None:
    """Those that the host has: not as a namespace would show them."""
    person("create", *NONE, "base", "true", code=0)
    tree = person.passage / "home/tree"
    tree.mkdir()
    for name, owner in (("roots", 0), ("own", person.number), ("other", 33)):
        (tree / name).touch()
        os.chown(tree / name, owner, owner)
    person("import", str(tree), "tree", code=0)
    exported = person("export", "tree", code=0).stdout
    with tarfile.open(fileobj=io.BytesIO(exported)) as tar:
        owners = {one.name.removeprefix("./"): one.uid for one in tar.getmembers()[1:]}
    assert owners == {"roots": 0, "own": person.number, "other": 33}


def test_the_hosts_network(person: OrdinaryUser) -> None:
    """Its /sys is the host's, for reading alone: that network's own can be mounted by nobody."""
    script = "ls /sys/class/net; mount | grep ' /sys' | grep -c -v '(ro,'; touch /sys/fs/cgroup/x"
    ran = person("run", "--rm", "--network", "host", "base", "sh", "-c", script, code=1)
    assert ran.lines == [*sorted(os.listdir("/sys/class/net")), "0"]


def test_an_init_and_parameters(person: OrdinaryUser) -> None:
    options = ("--init", "--sysctl", "net.ipv4.ip_default_ttl=77", "--ulimit", "nofile=100:200")
    script = "cat /proc/sys/net/ipv4/ip_default_ttl; ulimit -n; exit 4"
    ran = person("run", "--rm", *NONE, *options, "base", "sh", "-c", script, code=4)
    assert ran.lines == ["77", "100"]


def test_what_info_says(person: OrdinaryUser, user: int) -> None:
    person("create", *NONE, "base", "true", code=0)  # from here on commands are in a namespace
    name = pwd.getpwuid(user).pw_name
    rows = {row["Name"]: row for row in person("info", "--format", "json", code=0).json["Checks"]}
    assert rows["User"]["Told"] == f"{name}, with 65536 ids for containers"
    assert rows["User limits"]["Told"].startswith("none, as no control group was given to you")
    assert "User network" in rows
    assert f"Author: {name} <" in person("log", code=0).out


def test_roots_commands_leave_it_alone(person: OrdinaryUser) -> None:
    """To root of the host the owners of its files would be others than they are."""
    person("create", *NONE, "base", "true", code=0)
    store = person.passage / "home/store"
    refused = Lxgit(store, person.passage)("ps", code=1)
    assert f"is not yours, but user {person.number}'s" in refused.err
    assert f"hint: sudo -u '#{person.number}' lxgit …" in refused.err


def test_volumes_and_binds(person: OrdinaryUser) -> None:
    """A bind's files are root's inside if they are the user's; volumes are kept."""
    home = person.passage / "home"
    (home / "file").write_text("mine")
    os.chown(home / "file", person.number, person.number)
    mounts = ("-v", f"{home}/file:/file", "-v", "data:/data", "--tmpfs", "/tmp", "--read-only")
    script = "stat -c %u /file; cat /file; echo kept >/data/x; chown 33 /data/x; echo x >/x"
    ran = person("run", "--rm", *NONE, *mounts, "base", "sh", "-c", script, code=1)
    assert ran.out == "0\nmine"
    shown = ("-v", "data:/data", "base", "sh", "-c", "stat -c %u /data/x; cat /data/x")
    assert person("run", "--rm", *NONE, *shown, code=0).out == "33\nkept\n"
    person("volume", "rm", "data", code=0)


def test_a_restart_policy(person: OrdinaryUser) -> None:
    script = "echo again; exit 1"
    options = ("--name", "c1", "--restart", "on-failure:1", *NONE)
    person("run", "-d", *options, "base", "sh", "-c", script, code=0)
    waiting.wait_until(lambda: person("logs", "c1").out == "again\nagain\n")


def test_without_newuidmap(person: OrdinaryUser) -> None:
    hidden = "mount --bind /dev/null /usr/bin/newuidmap"
    refused = replace(person, before=hidden)("run", *NONE, "base", "true", code=125)
    assert "newuidmap, which is not installed" in refused.err
    assert "apt install uidmap" in refused.err


def test_a_registry_without_a_session(person: OrdinaryUser, private_registry: Registry) -> None:
    """Outside of a session there is no XDG_RUNTIME_DIR; also in the user's namespace."""
    host = private_registry.host
    assert "XDG_RUNTIME_DIR" not in person.environment
    person("login", "-u", USER, "--password-stdin", host, stdin=PASSWORD.encode(), code=0)
    assert (person.passage / "home/.config/containers/auth.json").exists()
    person("create", *NONE, "base", "true", code=0)
    person("push", "base", f"{host}/base", code=0)
    person("pull", "-q", f"{host}/base", "other", code=0)
