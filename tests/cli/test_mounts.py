"""Binds, tmpfs, and where mounts may be: what containers see, and what leads nowhere else."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.cli.conftest import sh
from tests.support.program import PROGRAM
from tests.support.swapping import exchanging

if TYPE_CHECKING:
    from tests.support.program import Lxgit

pytestmark = [pytest.mark.root, pytest.mark.overlay, pytest.mark.lxc]


def mounting(lxgit: Lxgit, script: str, *, code: int = 0) -> subprocess.CompletedProcess[str]:
    """Run a script of the host's in a mount namespace of its own; `lxgit` is there."""
    environment = lxgit.environment()
    environment["PATH"] = f"{PROGRAM.parent}:{environment['PATH']}"
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-e", "-c", script],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stderr
    return done


class TestBinds:
    def test_owners_are_the_hosts_both_ways(self, lx: Lxgit, scratch: Path) -> None:
        source = scratch / "src"
        source.mkdir()
        (source / "theirs").write_text("host\n")
        os.chown(source / "theirs", 1234, 5)
        script = "stat -c %u:%g /mnt/theirs; touch /mnt/made; chown 77:88 /mnt/made"
        assert sh(lx, "-v", f"{source}:/mnt", script=script) == ["1234:5"]
        made = (source / "made").stat()
        assert (made.st_uid, made.st_gid) == (77, 88)

    def test_a_relative_source_a_file_and_read_only(self, lx: Lxgit, scratch: Path) -> None:
        (scratch / "home/conf").write_text("mine\n")
        mounts = ("-v", "./conf:/etc/new/app.conf:ro", "-v", "./conf:/etc/hosts")
        script = "cat /etc/new/app.conf; echo x >>/etc/hosts; echo x >/etc/new/app.conf"
        refused = lx("run", "--rm", *mounts, "data", "sh", "-c", script, code=1)
        assert refused.lines == ["mine"]
        assert "Read-only file system" in refused.err
        assert (scratch / "home/conf").read_text() == "mine\nx\n"

    def test_a_missing_source(self, lx: Lxgit, scratch: Path) -> None:
        absent = scratch / "absent"
        refused = lx("run", "--mount", f"type=bind,src={absent},dst=/mnt", "data", "true", code=125)
        assert refused.err.startswith(f"lxgit: there is no '{absent}' to mount on '/mnt'\n")
        assert lx("ps", "-aq").out == ""
        sh(lx, "-v", f"{absent}/deep:/mnt:rw,z,rprivate", script="touch /mnt/x")
        assert (absent / "deep/x").exists()

    def test_what_is_mounted_below_comes_along(self, lx: Lxgit, scratch: Path) -> None:
        """In a mount namespace of the test's, where a tmpfs lies below the source."""
        mount = f"type=bind,src={scratch}/a,dst=/mnt"
        done = mounting(
            lx,
            f"""
            mkdir -p {scratch}/a/b; mount -t tmpfs t {scratch}/a/b; touch {scratch}/a/b/x
            run="lxgit run --rm --mount {mount}"
            $run,ro data sh -c 'ls /mnt/b; ! touch /mnt/b/y'
            $run,bind-recursive=disabled data sh -c 'ls /mnt/b | wc -l'
            """,
        )
        assert done.stdout.split() == ["x", "0"], done.stderr

    def test_what_is_mounted_later_comes_to_slaves(self, lx: Lxgit, scratch: Path) -> None:
        """Also to what is shown for reading alone, where it is as the host has it."""
        run = "lxgit run -d --network none --name"
        done = mounting(
            lx,
            f"""
            mkdir {scratch}/a; mount -t tmpfs t {scratch}/a
            cd {scratch}/a; mkdir new top; mount -t tmpfs u top; mkdir top/new
            mount --make-rshared .
            {run} private -v $PWD:/mnt data sleep 600
            {run} slave -v $PWD:/mnt:ro,slave data sleep 600
            {run} rslave --mount type=bind,src=$PWD,dst=/mnt,bind-propagation=rslave,readonly \
                data sleep 600
            for place in new top/new; do mount -t tmpfs v $place; touch $place/later; done
            for name in private slave rslave; do
                echo $name: $(lxgit exec $name sh -c 'cd /mnt; ls -d new/later top/new/later')
            done
            lxgit exec rslave touch /mnt/x || lxgit inspect -f '{{{{json .Mounts}}}}' rslave
            lxgit rm -f private slave rslave
            """,
        )
        lines = done.stdout.splitlines()[3:]
        assert lines[:3] == ["private:", "slave: new/later", "rslave: new/later top/new/later"]
        assert json.loads(lines[3])[0]["Propagation"] == "rslave"

    def test_no_slave_where_nobody_tells(self, lx: Lxgit, scratch: Path) -> None:
        (scratch / "a").mkdir()
        run = f"mount --make-rprivate /; lxgit run --rm -v {scratch}/a:/mnt:rslave data true"
        done = mounting(lx, run, code=125)
        assert done.stderr.startswith(f"lxgit: '{scratch}/a' is on a private mount, and no rslave")

    def test_nothing_comes_from_a_container(self, lx: Lxgit, scratch: Path) -> None:
        for word in ("shared", "rshared"):
            refused = lx("run", "-v", f"{scratch}:/mnt:{word}", "data", "true", code=2)
            assert refused.err.startswith(f"lxgit: '{word}': what a container mounts does not come")

    def test_a_file_system_without_mapped_mounts(self, lx: Lxgit) -> None:
        refused = lx("run", "--rm", "-v", "/proc/sys:/mnt", "data", "true", code=125)
        assert "cannot show its owners" in refused.err
        count = "ls /mnt/kernel | wc -l"
        assert int(sh(lx, "-v", "/proc/sys:/mnt:ro", script=f"stat -c %u /mnt; {count}")[1]) > 9
        assert sh(lx, "-v", "/proc/sys:/mnt:ro", script="stat -c %u /mnt") == ["65534"]
        assert sh(lx, "--userns=host", "-v", "/proc/sys:/mnt", script="stat -c %u /mnt") == ["0"]

    def test_the_whole_host(self, lx: Lxgit, scratch: Path) -> None:
        """As what watches a host asks for it: with proc and sysfs, and without lxgit's own."""
        (scratch / "seen").write_text("seen\n")
        os.chown(scratch / "seen", 1234, 1234)
        script = f"""
            stat -c %u /host/etc /host{scratch}/seen /host/proc /host/sys; cat /host/proc/1/comm
            touch /host{scratch}/x; ls /host/run/lxgit/stage
            awk '$5 ~ "^/host" && $6 !~ "^ro" {{ print $5 }}' /proc/self/mountinfo
        """
        done = lx("run", "--rm", "-v", "/:/host:ro", "data", "sh", "-c", script)
        init = Path("/proc/1/comm").read_text().strip()
        assert done.lines == ["0", "1234", "65534", "65534", init]
        assert "Read-only file system" in done.err

    def test_devices_of_the_host_do_not_work(self, lx: Lxgit, scratch: Path) -> None:
        os.mknod(scratch / "null", 0o20666, os.makedev(1, 3))
        script = "echo >/mnt/null"
        refused = lx("run", "--rm", "-v", f"{scratch}:/mnt", "data", "sh", "-c", script, code=1)
        assert "Permission denied" in refused.err


class TestSubpaths:
    def test_a_directory_and_a_file_of_a_volume(self, lx: Lxgit) -> None:
        sh(lx, "-v", "v:/srv", script="mkdir -p /srv/a/b; echo in >/srv/a/b/f; echo out >/srv/f")
        part = "type=volume,source=v,volume-subpath="
        script = "cat /data/f; echo more >/data/g; ls /data"
        assert sh(lx, "--mount", f"{part}a/b,dst=/data", script=script) == ["in", "f", "g"]
        assert (lx.store / "volumes/v/data/a/b/g").exists()
        script = "cat /new/file; echo x >/new/file"
        only = ("--mount", f"{part}f,dst=/new/file,readonly")
        done = lx("run", "--name", "c", *only, "data", "sh", "-c", script, code=1)
        assert done.out == "out\n"
        assert lx("inspect", "-f", "{{(index .Mounts 0).Subpath}}", "c").out == "f\n"

    def test_one_that_is_not_there(self, lx: Lxgit) -> None:
        mount = "source=v,volume-subpath=a/b,dst=/data"
        refused = lx("run", "--rm", "--mount", mount, "data", "true", code=125)
        assert refused.err.startswith("lxgit: there is no 'a/b' in volume 'v' to be shown")
        assert os.listdir(lx.store / "volumes/v/data") == []

    def test_links_in_a_volume_stay_in_it(self, lx: Lxgit, scratch: Path) -> None:
        """Also while one is swapped in for what was there."""
        canary = scratch / "canary"
        canary.mkdir()
        sh(
            lx,
            "-v",
            "v:/srv",
            script=f"mkdir /srv/sub; ln -s {canary} /srv/link; ln -s ../.. /srv/up",
        )
        data = lx.store / "volumes/v/data"
        for part in ("link", "up/etc"):
            mount = f"source=v,volume-subpath={part},dst=/data"
            refused = lx("run", "--rm", "--mount", mount, "data", "true", code=125)
            assert "in volume 'v'" in refused.err
        mount = "source=v,volume-subpath=up,dst=/data"
        assert "sub" in sh(lx, "--mount", mount, script="ls /data")
        mount = "source=v,volume-subpath=sub,dst=/data"
        with exchanging(data / "sub", data / "link"):
            for _ in range(4):
                lx("run", "--rm", "--mount", mount, "data", "touch", "/data/x", code=None)
        assert os.listdir(canary) == []


class TestTmpfsAndTheRoot:
    def test_options(self, lx: Lxgit) -> None:
        options = ("--tmpfs", "/t:size=1m,mode=0750,uid=5,gid=6,exec", "--tmpfs", "/u")
        script = (
            "stat -c '%u:%g %a' /t /u; grep -c ' /u tmpfs rw,nosuid,nodev,noexec' /proc/mounts;"
            "cp /bin/busybox /t/x; /t/x true || echo not; df -k /t | tail -1 | awk '{print $2}'"
        )
        lines = sh(lx, *options, script=script)
        assert lines[:3] == ["5:6 750", "0:0 1777", "1"]
        assert lines[-1] == "1024"
        mount = "type=tmpfs,target=/t,tmpfs-size=2m,tmpfs-mode=700"
        script = "stat -c %a /t; df -k /t | tail -1 | awk '{print $2}'"
        assert sh(lx, "--mount", mount, script=script) == ["700", "2048"]

    def test_shared_memory_can_be_larger(self, lx: Lxgit) -> None:
        script = "df -k /dev/shm | tail -1 | awk '{print $2}'"
        assert sh(lx, "--tmpfs", "/dev/shm:size=128m", script=script) == ["131072"]

    def test_nothing_of_it_is_there_again(self, lx: Lxgit) -> None:
        lx("run", "--name", "c", "--tmpfs", "/t", "data", "sh", "-c", "ls /t; touch /t/x")
        assert lx("start", "-a", "c").out == ""

    def test_a_root_that_nobody_writes_to(self, lx: Lxgit) -> None:
        script = (
            "for d in / /etc /data; do touch $d/x 2>/dev/null && echo wrote $d; done;"
            "mount -o remount,rw / 2>/dev/null && echo remounted;"
            "for d in /srv /t /dev/shm; do touch $d/x && echo $d; done"
        )
        options = ("--read-only", "-v", "v:/srv", "--tmpfs", "/t", "-w", "/here/too")
        assert sh(lx, *options, script=script) == ["/srv", "/t", "/dev/shm"]


class TestPlaces:
    def test_those_of_lxgit_are_refused(self, lx: Lxgit) -> None:
        own = (
            "/",
            "/proc",
            "/proc/sys",
            "/sys/fs",
            "/dev",
            "/dev/null",
            "/a/../proc",
            "//dev//pts",
        )
        for target in own:
            for option in (("-v", f"v:{target}"), ("--tmpfs", target)):
                assert "hint: " in lx("run", *option, "data", "true", code=125).err
        assert lx("ps", "-aq").out == ""
        assert lx("volume", "ls", "-q").out == ""

    def test_what_an_image_may_not_want(self, lx: Lxgit) -> None:
        for place in ("/proc/x", "relative", "/", "/dev"):
            lx("create", "--name", "c", "base", "true")
            lx("commit", "--change", f"VOLUME {place}", "--allow-empty", "-m", "One", "c", "wants")
            refused = lx("run", "wants", "true", code=125)
            assert refused.err.startswith("lxgit: ")
            lx("rm", "c")
            lx("branch", "-D", "wants")
        assert lx("volume", "ls", "-q").out == ""

    def test_links_of_the_image_stay_inside(self, lx: Lxgit) -> None:
        refused = lx("run", "--rm", "-v", "v:/to-proc", "data", "true", code=125)
        assert "'/to-proc' leads to '/proc' in this image" in refused.err
        sh(lx, "-v", "v:/out", script="touch /var/out/x")
        assert not Path("/var/out").exists()
        assert (lx.store / "volumes/v/data/x").exists()

    def test_two_for_one_place(self, lx: Lxgit) -> None:
        refused = lx("run", "-v", "v:/srv", "--tmpfs", "/srv/", "data", "true", code=125)
        assert refused.err.startswith("lxgit: two mounts are for '/srv'\n")
        refused = lx("run", "-v", "v:/also", "-v", "w:/data", "data", "true", code=125)
        assert "are one place, '/data'" in refused.err

    def test_nested_ones_in_whatever_order(self, lx: Lxgit) -> None:
        script = "touch /srv/a /srv/b/c /srv/b/d/e; ls /srv /srv/b"
        mounts = ("-v", "in:/srv/b/d", "-v", "mid:/srv/b", "-v", "out:/srv")
        assert sh(lx, *mounts, script=script) == ["/srv:", "a", "b", "", "/srv/b:", "c", "d"]
        assert os.listdir(lx.store / "volumes/in/data") == ["e"]
        assert sh(lx, "-v", "out:/x", "-v", "/etc/fstab:/x/new/file", script="cat /x/new/file")

    def test_a_directory_on_a_file(self, lx: Lxgit) -> None:
        refused = lx("run", "--rm", "-v", "v:/etc/passwd", "data", "true", code=125)
        assert "'/etc/passwd' is no directory in the container" in refused.err

    def test_a_program_and_a_working_directory_on_one(self, lx: Lxgit) -> None:
        sh(lx, "-v", "v:/srv", script="cp /bin/busybox /srv/pwd")
        done = lx("run", "--rm", "-v", "v:/srv", "-w", "/srv/new", "data", "/srv/pwd")
        assert done.out == "/srv/new\n"
        assert (lx.store / "volumes/v/data/new").is_dir()


WRONG = (
    ("-v", "a:/b:rw:x"),
    ("-v", "a:/b:fast"),
    ("-v", "a:/b:rslave"),
    ("-v", "/etc:/b:nocopy"),
    ("-v", "/etc:/b:ro,rw"),
    ("-v", "/etc:/b:rslave,rprivate"),
    ("--mount", "type=bind,source=/,target=/x,bind-propagation=fast"),
    ("--mount", "type=bind,source=/,target=/x,bind-propagation=rshared"),
    ("--mount", "type=bind,source=/,target=/x,volume-subpath=x"),
    ("--mount", "source=v,target=/x,volume-subpath="),
    ("--mount", "source=v,target=/x,volume-subpath=/x"),
    ("--mount", "source=v,target=/x,volume-subpath=a/../../x"),
    ("-v", "v:relative"),
    ("-v", "v:"),
    ("-v", "a/b:/x"),
    ("--mount", "type=nfs,target=/x"),
    ("--mount", "type=bind,target=/x"),
    ("--mount", "source=a"),
    ("--mount", "target=/x,target=/y"),
    ("--mount", "target=/x,colour=red"),
    ("--mount", "target=/x,ro=perhaps"),
    ("--mount", "type=tmpfs,target=/x,tmpfs-mode=9"),
    ("--mount", "type=tmpfs,target=/x,tmpfs-size=big"),
    ("--mount", "type=bind,source=/,target=/x,bind-recursive=perhaps"),
    ("--tmpfs", "/x:fast"),
    ("--tmpfs", "/x:uid=root"),
    ("--volumes-from", "c:fast"),
    ("--volumes-from", "nobody"),
)


def test_options_that_are_wrong(lx: Lxgit) -> None:
    for words in WRONG:
        refused = lx("run", *words, "data", "true", code=None)
        assert refused.code in (2, 125), words
        assert refused.err.startswith("lxgit: "), words
    assert lx("ps", "-aq").out == ""
    assert lx("volume", "ls", "-q").out == ""


def test_inspect_tells_of_mounts(lx: Lxgit, scratch: Path) -> None:
    options = ("-v", "v:/srv:ro", "-v", f"{scratch}:/mnt", "--tmpfs", "/t:size=1m", "--read-only")
    lx("run", "--name", "c", *options, "data", "true")
    (shown,) = lx("inspect", "c").json
    assert shown["HostConfig"]["ReadonlyRootfs"] is True
    assert list(shown["HostConfig"]["Tmpfs"]) == ["/t"]
    told = [
        (each["Type"], each["Source"], each["Destination"], each["RW"]) for each in shown["Mounts"]
    ]
    assert told == [
        ("bind", str(scratch), "/mnt", True),
        ("volume", str(lx.store / "volumes/v/data"), "/srv", False),
    ]
    assert [each["Propagation"] for each in shown["Mounts"]] == ["rprivate", ""]
    assert (shown["Mounts"][1]["Name"], shown["Mounts"][1]["Driver"]) == ("v", "local")


def test_links_that_are_swapped_in_lead_no_mount_outside(lx: Lxgit, scratch: Path) -> None:
    """While a place in a volume is a link half of the time, as another container may have it."""
    canary = scratch / "canary"
    canary.mkdir()
    sh(lx, "-v", "shared:/srv", script=f"mkdir /srv/sub; ln -s {canary} /srv/link")
    shared = lx.store / "volumes/shared/data"
    mounts = ("-v", "shared:/data", "-v", "in:/data/sub/deep", "-w", "/data/sub/work")
    with exchanging(shared / "sub", shared / "link"):
        for _ in range(6):
            lx("run", "--rm", *mounts, "data", "touch", "/data/sub/deep/x", code=None)
    assert os.listdir(canary) == []
