"""Volumes, binds and tmpfs: what containers see of them, whose files are, and what goes when."""

from __future__ import annotations

import json
import os
import subprocess
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.cli.conftest import copied
from tests.support.program import Lxgit
from tests.support.swapping import exchanging

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.root, pytest.mark.overlay, pytest.mark.lxc]


@pytest.fixture(scope="module")
def furnished_store(based_store: Path, work_directory: Path, busybox_rootfs: Path) -> Path:
    """The store with a branch `data`, HEAD's, whose image has something in /data, and links."""
    made = Lxgit(copied(based_store, work_directory / "furnished"), work_directory)
    root = work_directory / "furniture"
    subprocess.run(["cp", "-a", busybox_rootfs, root], check=True)
    (root / "data/deep").mkdir(parents=True)
    (root / "data/seed").write_text("from the image\n")
    os.link(root / "data/seed", root / "data/deep/twin")
    os.chown(root / "data/seed", 1000, 50)
    os.chown(root / "data", 33, 33)
    (root / "data").chmod(0o2750)
    os.setxattr(root / "data/seed", "user.note", b"kept")
    (root / "to-proc").symlink_to("/proc")
    (root / "out").symlink_to("../../../../../../var/out")
    (root / "also").symlink_to("data")
    made("import", root, "data", "-m", "Data")
    made("checkout", "-q", "data")
    return made.store


@pytest.fixture
def lx(lxgit: Lxgit, furnished_store: Path) -> Iterator[Lxgit]:
    copied(furnished_store, lxgit.store)
    yield lxgit
    lxgit("rm", "-f", *lxgit("ps", "-aq").lines, code=None)


def sh(lxgit: Lxgit, *options: str, script: str, code: int = 0) -> list[str]:
    """The lines that a shell prints in a container that goes at its end."""
    return lxgit("run", "--rm", *options, "data", "sh", "-c", script, code=code).lines


class TestVolumes:
    def test_a_new_one_gets_what_the_image_has(self, lx: Lxgit) -> None:
        script = "stat -c '%u:%g %a %h %n' /data /data/seed /data/deep/twin; cat /data/seed"
        assert sh(lx, "-v", "v:/data", script=script) == [
            "33:33 2750 3 /data",
            "1000:50 644 2 /data/seed",
            "1000:50 644 2 /data/deep/twin",
            "from the image",
        ]
        data = lx.store / "volumes/v/data"
        assert (data / "seed").stat().st_uid == 1000
        assert (data / "seed").samefile(data / "deep/twin")
        assert os.getxattr(data / "seed", "user.note") == b"kept"

    def test_one_that_has_something_keeps_it(self, lx: Lxgit) -> None:
        sh(lx, "-v", "v:/srv", script="echo mine >/srv/mine")
        assert sh(lx, "-v", "v:/data", script="ls /data") == ["mine"]
        sh(lx, "-v", "w:/data:nocopy", script="test -z $(ls /data)")
        sh(lx, "--mount", "source=u,target=/data,volume-nocopy", script="test -z $(ls /data)")

    def test_an_emptied_one_is_not_filled_by_the_same_container(self, lx: Lxgit) -> None:
        lx("run", "--name", "c", "-v", "v:/data", "data", "sh", "-c", "ls /data; rm -r /data/*")
        assert lx("start", "-a", "c", code=None).lines == []

    def test_containers_with_other_ids_agree_about_owners(self, lx: Lxgit) -> None:
        lx("run", "-d", "--name", "one", "-v", "v:/srv", "data", "sleep", "600")
        lx("run", "-d", "--name", "two", "--volumes-from", "one", "data", "sleep", "600")
        ranges = {json.dumps(each["HostConfig"]["IDMappings"]) for each in both(lx)}
        assert len(ranges) == 2
        lx("exec", "-u", "7:8", "one", "true")
        lx("exec", "one", "sh", "-c", "echo a >/srv/f; chown 7:8 /srv/f; chmod 4600 /srv/f")
        stat = ("stat", "-c", "%u:%g %a", "/srv/f")
        assert lx("exec", "two", *stat).out == "7:8 4600\n"
        assert lx("exec", "-u", "7", "two", "cat", "/srv/f").out == "a\n"
        assert lx("exec", "-u", "9", "two", "cat", "/srv/f", code=None).out == ""
        lx("exec", "two", "sh", "-c", "echo b >>/srv/f")
        assert lx("exec", "one", "cat", "/srv/f").lines == ["a", "b"]
        assert sh(lx, "--userns=host", "-v", "v:/srv", script="stat -c %u /srv/f") == ["7"]

    def test_devices_on_one_do_not_work(self, lx: Lxgit) -> None:
        lx("volume", "create", "v")
        os.mknod(lx.store / "volumes/v/data/null", 0o20666, os.makedev(1, 3))
        refused = lx("run", "--rm", "-v", "v:/srv", "data", "sh", "-c", "echo >/srv/null", code=1)
        assert "Permission denied" in refused.err

    def test_an_images_own(self, lx: Lxgit) -> None:
        lx("run", "--name", "c", "data", "true")
        lx("commit", "--change", "VOLUME /data", "--allow-empty", "-m", "Volume", "c")
        lx("run", "--name", "d", "data", "sh", "-c", "echo new >/data/new; ls /data")
        (name,) = lx("volume", "ls", "-q").lines
        assert len(name) == 64
        assert sorted(os.listdir(lx.store / "volumes" / name / "data")) == ["deep", "new", "seed"]
        assert lx("status", "d").lines[1:] == ["  no changes", "  volumes are not committed: /data"]
        lx("run", "--rm", "data", "true")
        assert lx("volume", "ls", "-q").lines == [name]
        lx("rm", "-v", "d")
        assert lx("volume", "ls", "-q").lines == []

    def test_rm_v_keeps_what_others_have_and_what_was_named(self, lx: Lxgit) -> None:
        lx("run", "--name", "one", "-v", "/srv", "-v", "named:/mnt", "data", "true")
        lx("run", "--name", "two", "--volumes-from", "one:ro", "data", "true")
        lx("rm", "-v", "one")
        assert len(lx("volume", "ls", "-q").lines) == 2
        lx("rm", "-v", "two")
        assert lx("volume", "ls", "-q").lines == ["named"]

    def test_its_content_and_its_place_are_in_no_commit(self, lx: Lxgit) -> None:
        script = "echo x >/new/place/x; echo y >/etc/y; touch /data/z"
        volumes = ("-v", "v:/new/place", "-v", "w:/data", "--tmpfs", "/opt")
        lx("run", "--name", "c", *volumes, "data", "sh", "-c", script)
        shown = lx("status", "c").lines
        assert shown[1] == "  A  /etc/y  (2 B)"
        assert shown[-1] == "  volumes are not committed: /data, /opt, /new/place"
        lx("commit", "-m", "More", "c")
        names = lx("export", "data").stdout
        assert b"./etc/y" in names
        assert b"./new" not in names
        assert b"./opt" not in names
        assert b"./data/z" not in names

    def test_an_empty_list(self, lx: Lxgit) -> None:
        assert lx("volume", "ls").lines == ["DRIVER              VOLUME NAME"]
        assert lx("volume", "ls", "--format", "json").json == []
        assert lx("volume", "prune", "-f").lines == ["Deleted 0 volumes, 0 B."]


def both(lxgit: Lxgit) -> list[dict[str, dict[str, object]]]:
    found: list[dict[str, dict[str, object]]] = lxgit("inspect", "one", "two").json
    return found


class TestTheirCommands:
    def test_create_is_idempotent_and_names_itself(self, lx: Lxgit) -> None:
        assert lx("volume", "create", "v", "--label", "a=b").out == "v\n"
        assert lx("volume", "create", "v").out == "v\n"
        assert len(lx("volume", "create").out) == 65
        (row,) = lx("volume", "inspect", "v").json
        assert row["Labels"] == {"a": "b"}
        assert row["Mountpoint"] == str(lx.store / "volumes/v/data")
        assert (row["Driver"], row["Scope"], row["Options"]) == ("local", "local", None)

    def test_names_that_cannot_be(self, lx: Lxgit) -> None:
        for name in ("a/b", "-x", "a b", ".hidden", "é", "x" * 256, "a\n"):
            refused = lx("volume", "create", "--", name, code=1)
            assert "cannot be the name of a volume" in refused.err
        assert lx("volume", "ls", "-q").out == ""

    def test_filters_and_templates(self, lx: Lxgit) -> None:
        lx("volume", "create", "one", "--label", "stage=test")
        lx("run", "--name", "c", "-v", "two:/srv", "data", "true")

        def named(*filters: str) -> list[str]:
            return lx("volume", "ls", "-q", *(w for f in filters for w in ("--filter", f))).lines

        assert named("dangling=true") == ["one"]
        assert named("dangling=false") == ["two"]
        assert named("name=tw", "name=on") == ["one", "two"]
        assert named("label=stage") == named("label=stage=test") == ["one"]
        assert named("label=stage=live") == []
        assert named("driver=nfs") == []
        assert "is no filter" in lx("volume", "ls", "--filter", "size=3", code=2).err
        assert lx("volume", "ls", "--format", "{{.Name}}").lines == ["one", "two"]

    def test_rm_refuses_what_is_in_use_and_deletes_nothing_then(self, lx: Lxgit) -> None:
        lx("volume", "create", "free")
        lx("run", "--name", "c", "-v", "used:/srv", "data", "true")
        refused = lx("volume", "rm", "free", "used", code=1)
        assert refused.err.startswith("lxgit: volume 'used' is in use by container 'c'\n")
        assert lx("volume", "ls", "-q").lines == ["free", "used"]
        lx("rm", "c")
        assert lx("volume", "rm", "free", "used").lines == ["free", "used"]
        assert "there is no volume 'free'" in lx("volume", "rm", "free", code=1).err
        assert lx("volume", "rm", "-f", "free").lines == ["free"]

    def test_prune_tells_what_it_freed(self, lx: Lxgit) -> None:
        lx("run", "--name", "c", "-v", "/srv", "-v", "kept:/mnt", "data", "touch", "/srv/x")
        lx("run", "--rm", "-v", "v:/srv", "data", "dd", "if=/dev/zero", "of=/srv/f", "bs=1M",
           "count=2")  # fmt: skip
        assert lx("volume", "prune", "-f").lines == ["Deleted 0 volumes, 0 B."]
        lx("rm", "c")
        assert len(lx("volume", "prune", "-f").lines) == 2
        assert lx("volume", "ls", "-q").lines == ["kept", "v"]
        pruned = lx("volume", "prune", "-f", "-a", "--filter", "name=v").lines
        assert pruned[0] == "v"
        assert pruned[1].startswith("Deleted 1 volume, 2.1")

    def test_a_damaged_one(self, lx: Lxgit) -> None:
        lx("volume", "create", "v")
        (lx.store / "volumes/v/volume.json").write_text("{}")
        assert "volume 'v' is damaged" in lx("volume", "ls", code=1).err
        lx("volume", "rm", "v")

    def test_completion(self, lx: Lxgit) -> None:
        lx("volume", "create", "stuff")
        assert lx("__complete", "lxgit volume rm st").out == "stuff\tvolume\n"

    def test_what_killed_commands_left_goes(self, lx: Lxgit) -> None:
        lx("volume", "create", "v")
        for name in (".new-1", ".gone-2"):
            (lx.store / "volumes" / name / "data").mkdir(parents=True)
        assert lx("volume", "ls", "-q").lines == ["v"]
        lx("volume", "prune", "-f")
        assert sorted(os.listdir(lx.store / "volumes")) == [".lock", "v"]


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
        script = (
            f"mkdir -p {scratch}/a/b && mount -t tmpfs t {scratch}/a/b && touch {scratch}/a/b/x && "
            f"{Path(lx.environment()['HOME'])}/go"
        )
        go = scratch / "home/go"
        mount = f"type=bind,src={scratch}/a,dst=/mnt"
        run = "lxgit run --rm"
        go.write_text(
            "#!/bin/sh\nset -e\n"
            f"{run} --mount {mount},ro data sh -c 'ls /mnt/b; ! touch /mnt/b/y'\n"
            f"{run} --mount {mount},bind-recursive=disabled data sh -c 'ls /mnt/b | wc -l'\n"
        )
        go.chmod(0o755)
        from tests.support.program import PROGRAM

        environment = lx.environment()
        environment["PATH"] = f"{PROGRAM.parent}:{environment['PATH']}"
        done = subprocess.run(
            ["unshare", "--mount", "sh", "-c", script],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.stdout.split() == ["x", "0"], done.stderr

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


def test_two_make_the_same_one_at_once(lx: Lxgit) -> None:
    codes: list[int] = []

    def run() -> None:
        script = "cat /data/seed && test $(ls /data | wc -l) = 2"
        codes.append(lx("run", "--rm", "-v", "v:/data", "data", "sh", "-c", script, code=None).code)

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert codes == [0] * 4
    assert sorted(os.listdir(lx.store / "volumes")) == [".lock", "v"]
    assert sorted(os.listdir(lx.store / "volumes/v")) == ["data", "lock", "volume.json"]


def test_a_fill_that_was_killed_is_done_again(lx: Lxgit) -> None:
    """Half copied: from the start; whole, and on its way in: on from there."""
    lx("volume", "create", "half")
    (lx.store / "volumes/half/filling").mkdir()
    (lx.store / "volumes/half/filling/torn").touch()
    assert sh(lx, "-v", "half:/data", script="ls /data") == ["deep", "seed"]
    lx("volume", "create", "moving")
    moving = lx.store / "volumes/moving"
    (moving / "filled").mkdir(mode=0o711)
    (moving / "filled/second").touch()
    (moving / "data/first").touch()
    assert sh(lx, "-v", "moving:/data", script="ls /data; stat -c %a /data") == [
        "first",
        "second",
        "711",
    ]


def test_data_of_a_service_outlives_it(lx: Lxgit) -> None:
    """A counter that a service keeps, over stop, start and another container of another image."""
    serve = "while :; do n=$(cat /srv/n 2>/dev/null || echo 0); echo $((n+1)) >/srv/m;"
    serve += "mv /srv/m /srv/n; sleep 0.02; done"
    lx("run", "-d", "--name", "s", "-v", "state:/srv", "data", "sh", "-c", serve)
    reached = counted(lx, 3)
    lx("stop", "-t", "0", "s")
    lx("start", "s")
    reached = counted(lx, reached + 3)
    lx("rm", "-f", "s")
    assert int(lx("run", "--rm", "-v", "state:/srv", "base", "cat", "/srv/n").out) >= reached


def counted(lxgit: Lxgit, least: int) -> int:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        found = lxgit("exec", "s", "cat", "/srv/n", code=None)
        if found.code == 0 and int(found.out or 0) >= least:
            return int(found.out)
        time.sleep(0.05)
    pytest.fail("the service does not count")
