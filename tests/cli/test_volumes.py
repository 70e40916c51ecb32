"""Volumes: what containers see of them, what fills them, how they are made and deleted."""

from __future__ import annotations

import json
import os
import threading
import time
from typing import TYPE_CHECKING

import pytest

from tests.cli.conftest import sh
from tests.support.program import refused

if TYPE_CHECKING:
    from tests.support.program import Lxgit

pytestmark = [pytest.mark.root, pytest.mark.overlay, pytest.mark.lxc]


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

    def test_one_whose_first_start_a_power_failure_took_is_filled(self, lx: Lxgit) -> None:
        """What it failed at is zeros then: it has not been started yet."""
        lx("create", "--name", "c", "-v", "v:/data", "data", "ls", "/data")
        (config,) = (lx.store / "containers").glob("*/config.json")
        config.with_name("state.json").write_bytes(bytes(300))
        assert "seed" in lx("start", "-a", "c").lines

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
        assert lx("volume", "prune", "-f").lines == ["Total reclaimed space: 0 B"]


def both(lxgit: Lxgit) -> list[dict[str, dict[str, object]]]:
    found: list[dict[str, dict[str, object]]] = lxgit("inspect", "one", "two").json
    return found


class TestTheirCommands:
    def test_create_is_idempotent_and_names_itself(self, lx: Lxgit) -> None:
        assert lx("volume", "create", "v", "--label", "a=b").out == "v\n"
        assert lx("volume", "create", "-d", "local", "v").out == "v\n"
        assert (
            "'nfs' is not one of 'local'"
            in lx("volume", "create", "--driver", "nfs", "v", code=2).err
        )
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

    def test_a_path_is_no_name(self, lx: Lxgit) -> None:
        lx("volume", "create", "v")
        for name in ("v/", "./v", "../volumes/v", "v/data", "/usr", "../git", ".", "", "x" * 300):
            for words in (["volume", "inspect"], ["volume", "rm"]):
                told = lx(*words, "--", name, code=1).err
                assert told.startswith(f"lxgit: there is no volume '{name}'\n")
            assert "damaged" not in lx("inspect", "--", name, code=1).err
        assert lx("volume", "ls", "-q").lines == ["v"]

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

    def test_rm_refuses_what_is_in_use(self, lx: Lxgit) -> None:
        lx("volume", "create", "free")
        lx("run", "--name", "c", "-v", "used:/srv", "data", "true")
        refused = lx("volume", "rm", "used", code=1)
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
        assert lx("volume", "prune", "-f").lines == ["Total reclaimed space: 0 B"]
        lx("rm", "c")
        assert len(lx("volume", "prune", "-f").lines) == 2
        assert lx("volume", "ls", "-q").lines == ["kept", "v"]
        pruned = lx("volume", "prune", "-f", "-a", "--filter", "name=v").lines
        assert pruned[0] == "v"
        assert pruned[1].startswith("Total reclaimed space: 2.1")

    @pytest.mark.parametrize("content", ['{"created"', None])
    def test_a_damaged_one(self, lx: Lxgit, content: str | None) -> None:
        """It is in no other's way, and its data stays until somebody names it."""
        lx("run", "--name", "c", "-v", "v:/srv", "data", "touch", "/srv/mine")
        lx("volume", "create", "w")
        record = lx.store / "volumes/v/volume.json"
        record.unlink()
        if content is not None:
            record.write_text(content)
        shown = lx("volume", "ls", "--format", "{{.Name}} {{.Driver}} {{.Containers}}").lines
        assert shown == ["v damaged [c]", "w local []"]
        assert lx("volume", "ls", "-q", "--filter", "driver=local").lines == ["w"]
        assert lx("system", "df", "--format", "{{.Type}} {{.TotalCount}}").lines[3].endswith("2")
        fault, hint = "volume 'v' is damaged", f"its data is in {record.parent}"
        refused(lx("volume", "inspect", "v", code=1), fault, hint, out="[]\n")
        refused(lx("run", "-v", "v:/srv", "data", "true", code=125), fault, hint)
        assert lx("start", "-a", "c").out == ""
        lx("rm", "c")
        assert lx("volume", "prune", "-af").lines[0] == "w"
        assert (record.parent / "data/mine").exists()
        lx("volume", "rm", "v")
        assert lx("volume", "ls", "-q").lines == []

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
