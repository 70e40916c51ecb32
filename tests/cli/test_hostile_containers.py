"""Containers that mean harm to the host and to others, which go on."""

from __future__ import annotations

import itertools
import platform
import shutil
import time
from itertools import islice
from typing import TYPE_CHECKING, Any

import pexpect
import pytest

from lxgit.records import replace
from lxgit.runtime import idranges, launcher
from lxgit.runtime.config import Request, encoded
from lxgit.runtime.containers import all_containers
from lxgit.runtime.creating import create
from lxgit.runtime.idmap import Extent, IdMap
from lxgit.runtime.index import container_names
from tests.support import disks
from tests.support.program import Lxgit
from tests.support.stores import copied
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.root, pytest.mark.overlay, pytest.mark.lxc]

BEAT = "while :; do echo beat; sleep 0.05; done"


@pytest.fixture
def beating(based: Lxgit) -> Iterator[Lxgit]:
    """A store with a container `other`, which must go on; all are gone at the end."""
    based("run", "-d", "--network", "none", "--name", "other", "base", "sh", "-c", BEAT)
    yield based
    goes_on(based)
    based("rm", "-f", *based("ps", "-aq").lines)


def goes_on(lxgit: Lxgit) -> None:
    """The host starts containers, and the other one is alive."""
    assert lxgit("run", "--rm", "--network", "none", "base", "echo", "on").out == "on\n"
    before = beats(lxgit)
    wait_until(lambda: beats(lxgit) > before)


def beats(lxgit: Lxgit) -> int:
    return lxgit("logs", "other").out.count("beat")


def state(lxgit: Lxgit, name: str) -> dict[str, Any]:
    (found,) = lxgit("inspect", name).json
    assert isinstance(found["State"], dict)
    return found["State"]


def start(lxgit: Lxgit, script: str, *options: str) -> None:
    lxgit(
        *("run", "-d", "--network", "none", "--name", "bad"), *options, "base", "sh", "-c", script
    )


def test_a_fork_bomb(beating: Lxgit) -> None:
    start(beating, "echo lit; bomb() { bomb | bomb & }; bomb; sleep 600", "--pids-limit", "40")
    wait_until(lambda: "can't fork" in beating("logs", "bad").err)
    goes_on(beating)
    beating("stop", "-t", "0", "bad")
    ended = state(beating, "bad")
    assert (ended["PidsLimitReached"], ended["OOMKilled"], ended["ExitCode"]) == (True, False, 137)


def test_a_passwd_of_a_terabyte(emptied: Lxgit) -> None:
    """The supervisor reads what root of the container has made of it."""
    started = ("run", "-d", "--network", "none", "--name", "bad", "base", "sh", "-c")
    hole = "dd if=/dev/zero of=/etc/passwd bs=1 count=1 seek=1099511627775; echo made; sleep 600"
    emptied(*started, hole)
    wait_until(lambda: "made" in emptied("logs", "bad").out)
    refused = emptied("exec", "-u", "root", "bad", "true", code=125, timeout=60)
    assert refused.err.startswith("lxgit: the image has no user 'root'\n")
    shown = emptied("exec", "-u", "7", "bad", "grep", "^Uid:", "/proc/self/status", timeout=60)
    assert shown.out.split()[1] == "7"
    # What has another size than the image's has changed, and need not be read for that.
    changed = emptied("status", "bad", timeout=60).out
    assert "/etc/passwd" in changed
    removed = emptied("rm", "-f", "bad", timeout=60)
    assert "with 1 uncommitted path" in removed.out + removed.err


def test_a_hole_that_nobody_can_read_in_a_day(emptied: Lxgit, scratch: Path) -> None:
    """It is refused before, so nothing else has to wait for it."""
    size = 4 * shutil.disk_usage(emptied.store).free
    hole = f"dd if=/dev/zero of=/huge bs=1 count=1 seek={size}"
    emptied("run", "--network", "none", "--name", "bad", "base", "sh", "-c", hole)
    for words in (("commit", "-m", "No", "bad"), ("diff", "bad"), ("export", "bad")):
        refused = emptied(*words, code=1, timeout=60)
        assert "lxgit: container 'bad' has files with holes of " in refused.err
        assert "more than there is room for: '/huge'\n" in refused.err
    for target in (str(scratch / "copy"), "-"):
        refused = emptied("cp", "bad:/huge", target, code=1, timeout=60)
        assert "'huge' has holes of " in refused.err or "'copy' has holes of " in refused.err
    (scratch / "Dockerfile").write_text(f"FROM base\nRUN {hole}\n")
    refused = emptied("build", "--network", "none", scratch, code=1, timeout=60)
    assert "lxgit: line 2, RUN: " in refused.err
    assert "more than there is room for: '/huge'\n" in refused.err
    emptied("rm", "-f", "bad", timeout=60)


def test_a_path_that_is_longer_than_paths_are(emptied: Lxgit) -> None:
    """In the store nobody can name it whole; what has it is measured, and goes."""
    deeper = "n=$(printf %0200d 0); for i in $(seq 20); do mkdir $n; cd $n || exit 1; done"
    emptied("branch", "deep", "base")
    started = ("run", "--network", "none", "--name", "bad", "deep", "sh", "-c")
    emptied(*started, f"{deeper}; echo kept >file")
    (row,) = emptied("ps", "-as", "--format", "json").json
    assert row["size"] == len("kept\n")
    emptied("commit", "-m", "Deep", "bad")
    emptied("rm", "-f", "bad")
    emptied("system", "df")
    assert "2 layers" in emptied("prune", "-n").out
    emptied("branch", "-D", "deep")
    emptied("gc", "--now")
    assert "1 layer" in emptied("prune").out


@pytest.mark.parametrize("place", ["/proc/mine", "/sys/mine"])
def test_a_directory_that_is_hidden_by_what_is_mounted(based: Lxgit, place: str) -> None:
    alone = ("run", "--rm", "--network", "none")
    refused = based(*alone, "-w", place, "base", "true", code=126)
    assert refused.err == "lxgit: the working directory cannot be entered\n"
    assert based(*alone, "-w", "/proc/self/net", "base", "true").err == ""


def test_a_memory_hog(beating: Lxgit) -> None:
    beating(
        *("run", "--network", "none", "--name", "bad", "-m", "16m", "base", "tail", "/dev/zero"),
        code=137,
    )
    assert state(beating, "bad")["OOMKilled"] is True


def size(file: Path) -> int:
    """Bytes; none of a log that is about to begin anew."""
    try:
        return file.stat().st_size
    except FileNotFoundError:
        return 0


def test_one_that_floods_its_log(beating: Lxgit) -> None:
    start(beating, "yes", "--log-max-size", "256k")
    (found,) = beating("inspect", "bad").json
    log = beating.store / "containers" / found["Id"]
    wait_until((log / "log.1").exists)
    for _ in range(20):
        assert sum(map(size, (log / "log", log / "log.1"))) <= (256 + 2 * 65) << 10
        time.sleep(0.02)
    goes_on(beating)
    beating("kill", "bad")
    assert set(beating("logs", "--tail", "100", "bad").lines) == {"y"}


def test_one_that_fills_the_disk(based_store: Path, scratch: Path, lxgit: Lxgit) -> None:
    with disks.small(scratch, 64) as disk:
        small = Lxgit(copied(based_store, disk / "store"), lxgit.home)
        run = ("run", "-d", "--network", "none", "--name")
        small(*run, "other", "base", "sh", "-c", BEAT)
        result = small(
            *("run", "--network", "none", "--name", "bad", "base"),
            *("sh", "-c", "cat /dev/zero > /full; echo $?; exit 6"),
            code=6,
        )
        assert "No space left" in result.err
        assert result.out == "1\n"
        assert small("exec", "other", "echo", "on").out == "on\n"
        assert state(small, "other")["Running"] is True
        # What ext4 reserves for root is out of its reach, and lxgit's.
        assert small("run", "--rm", "--network", "none", "base", "echo", "on").out == "on\n"
        small("rm", "-f", "bad")
        before = beats(small)
        wait_until(lambda: beats(small) > before)
        small("rm", "-f", "other")


def test_one_that_closes_its_terminal(beating: Lxgit) -> None:
    script = "exec <&- >&- 2>&-; sleep 0.3; exit 7"
    terminal = beating.terminal(
        *("run", "--rm", "-it", "--network", "none", "base", "sh", "-c", script)
    )
    terminal.expect(pexpect.EOF)
    terminal.close()
    assert terminal.exitstatus == 7


def test_one_that_kills_all_it_can_reach(beating: Lxgit) -> None:
    """Process 1 has no parent that it could name, and what is not in it is out of reach."""
    script = "kill -KILL 1; kill -STOP 1; kill -KILL -1; kill -KILL $PPID; exec sh -c 'exit 9'"
    beating("run", "--network", "none", "--name", "bad", "base", "sh", "-c", script, code=9)
    assert state(beating, "bad")["ExitCode"] == 9


# mov eax, 101; mov edi, 0x4206; mov esi, 1; xor edx, edx; xor r10d, r10d; syscall: trace process 1.
# mov edi, eax; neg edi; mov eax, 60; syscall: exit with the errno.
TRACE = bytes.fromhex("b865000000bf06420000be0100000031d24531d20f05 89c7f7dfb83c0000000f05")


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the program is of x86-64")
def test_one_that_traces_its_parent(beating: Lxgit) -> None:
    """Process 1 of the container is all that there is; what ends with it is the container."""
    beating(
        *("run", "-i", "--network", "none", "--name", "bad", "base", "sh", "-c"),
        "cat > /trace; chmod +x /trace; /trace; echo $?; exit 8",
        stdin=launcher._elf(62, TRACE),
        code=8,
    )
    assert beating("logs", "bad").lines[0] in {"0", "1"}  # EPERM, where Yama forbids it
    assert state(beating, "bad")["ExitCode"] == 8


def test_a_thousand_stopped_ones_have_ids_of_their_own(scratch: Path) -> None:
    """Most of them put down as `create` leaves them, and the rest made by it among those."""
    request = Request(image="base", commit="1" * 40, branch="base", stack=("layer",))
    first = create(scratch, request).config
    places = islice(idranges._free_ranges(scratch / ".ranges"), 990)
    for number, place in enumerate(list(places)):
        config = replace(
            first,
            id=f"{number:064x}",
            name=f"made_{number}",
            idmap=IdMap((Extent(0, place, 65_536),)),
        )
        (scratch / config.id).mkdir()
        (scratch / config.id / "config.json").write_bytes(encoded(config))
        (scratch / ".names" / config.name).symlink_to(config.id)
        (scratch / ".ranges" / str(place)).symlink_to(config.id)
    made = [create(scratch, request) for _ in range(9)]
    assert len({one.config.name for one in made}) == 9
    assert len(all_containers(scratch)) == len(container_names(scratch)) == 1000
    firsts = sorted(one.config.ids.outside(0) for one in all_containers(scratch))
    assert all(after - before >= 65_536 for before, after in itertools.pairwise(firsts))
