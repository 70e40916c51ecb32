"""What the benchmarks know of machines, of their peers, and of programs."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from benchmarks import __main__ as command_line
from benchmarks.harness import Failed
from benchmarks.inputs import FULL, QUICK, Inputs
from benchmarks.machine import Machine, mounted_type, processor
from benchmarks.peers import docker, podman
from benchmarks.programs import Program, environment
from benchmarks.rows import all_rows, systems
from benchmarks.workbench import Workbench, mounted_below

MOUNTINFO = """\
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw,discard
23 22 0:21 / /tmp rw,nosuid - tmpfs tmpfs rw,size=1g
"""


def test_processor() -> None:
    assert processor("processor\t: 0\nmodel name\t: A  Processor 7\nflags\t: fpu\n") == (
        "A  Processor 7"
    )
    assert processor("processor\t: 0\n")


@pytest.mark.parametrize(("number", "kind"), [("254:0", "ext4"), ("0:21", "tmpfs"), ("9:9", "?")])
def test_mounted_type(number: str, kind: str) -> None:
    assert mounted_type(MOUNTINFO, number) == (kind if kind != "?" else "unknown")


def test_the_machine_is_named(tmp_path: Path) -> None:
    machine = Machine.look(tmp_path)
    assert machine.cores > 0
    assert machine.filesystem != "unknown"
    assert machine.kernel in machine.words()
    assert json.dumps(machine.values())


@pytest.mark.parametrize(
    ("driver", "options", "reason"),
    [
        ("overlay", {}, None),
        ("vfs", {}, "podman stores with vfs, not with overlay"),
        (
            "overlay",
            {"overlay.mount_program": {"Executable": "/usr/bin/fuse-overlayfs"}},
            "podman mounts through FUSE, not natively",
        ),
    ],
)
def test_only_native_overlay_is_a_peer(
    driver: str, options: dict[str, object], reason: str | None
) -> None:
    info = {"store": {"graphDriverName": driver, "graphOptions": options}}
    assert podman.foreign_driver(info) == reason


def test_only_overlay2_is_a_peer() -> None:
    assert docker.foreign_driver({"Driver": "overlay2"}) is None
    assert docker.foreign_driver({"Driver": "vfs"}) == "docker stores with vfs, not with overlay2"


def test_what_is_mounted_below_a_directory() -> None:
    mounted = MOUNTINFO + "24 23 0:22 / /tmp/a/merged rw - overlay overlay rw\n"
    assert mounted_below(mounted, Path("/tmp/a")) == [Path("/tmp/a/merged")]
    assert mounted_below(mounted, Path("/tmp/a/merged")) == []


def test_a_program_is_timed_to_its_end(tmp_path: Path) -> None:
    shell = Program(("/bin/sh", "-c"), environment(tmp_path))
    assert 0.1 < shell.seconds("sleep 0.1") < 10
    assert shell.run("echo $HOME") == f"{tmp_path}\n"


def test_a_program_that_fails_says_why(tmp_path: Path) -> None:
    shell = Program(("/bin/sh", "-c"), environment(tmp_path))
    with pytest.raises(Failed, match=r"sh echo no >&2; exit 3: exit 3, and it said: no"):
        shell.seconds("echo no >&2; exit 3")
    with pytest.raises(Failed, match=r"exit 3"):
        shell.run("exit 3")


def test_a_program_has_an_input(tmp_path: Path) -> None:
    shell = Program(("/bin/sh", "-c"), environment(tmp_path))
    (tmp_path / "input").write_text("some text")
    assert shell.run("cat", stdin=tmp_path / "input") == "some text"
    assert shell.run("cat") == ""


def test_the_workbench_goes_with_what_is_on_it(tmp_path: Path) -> None:
    with Workbench(tmp_path) as bench:
        (bench.directory / "store").mkdir()
    assert list(tmp_path.iterdir()) == []


def test_rows_have_names_of_their_own_and_prepare_nothing(tmp_path: Path) -> None:
    with Workbench(tmp_path) as bench:
        names = [row.name for row in all_rows(bench)]
        assert len(set(names)) == len(names)
        assert list(bench.directory.iterdir()) == []


@pytest.mark.parametrize("inputs", [FULL, QUICK])
def test_rows_say_what_they_are_of(tmp_path: Path, inputs: Inputs) -> None:
    with Workbench(tmp_path, inputs) as bench:
        rows = {row.name: row for row in all_rows(bench)}
    assert inputs.large.about in rows["import"].about
    assert inputs.small.about in rows["commit"].peer


def test_rows_are_listed_and_chosen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["benchmarks", "--list", f"--directory={tmp_path}", "--only", "run", "history"]
    monkeypatch.setattr(sys, "argv", arguments)
    assert command_line.main() == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["run", "history"]
    monkeypatch.setattr(sys, "argv", [*arguments, "nothing"])
    with pytest.raises(SystemExit, match="no such row: nothing"):
        command_line.main()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("said", "figure"),
    [
        ("Startup finished in 2s\ngraphical.target reached after 1.867s in userspace.\n", 1.867),
        ("multi-user.target reached after 431ms in userspace.\n", 0.431),
    ],
)
def test_when_systemd_had_booted(said: str, figure: float) -> None:
    assert systems.seconds(said) == figure


def test_other_words_of_systemd_are_no_figure() -> None:
    with pytest.raises(Failed, match="not yet finished"):
        systems.seconds("Bootup is not yet finished")
