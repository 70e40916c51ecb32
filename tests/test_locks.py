from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from lxgit import locks
from lxgit.locks import LockHeld, Waiting, lock_owners, locked, on_wait
from tests.support.mounts import unmount

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def test_a_lock_names_its_owner_and_ends_with_it(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    hold = (
        "import sys, pathlib\n"
        "from lxgit.locks import locked\n"
        "with locked(pathlib.Path(sys.argv[1]), what='it'):\n"
        "    print('held', flush=True); sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", hold, lock], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        with pytest.raises(LockHeld, match=f"the door is in use by process {holder.pid}"):
            locked(lock, wait=False, what="the door").__enter__()
        holder.kill()
    with locked(lock, wait=False, what="the door"):
        pass


@contextlib.contextmanager
def held(lock: Path) -> Iterator[int]:
    """The process that holds a lock meanwhile."""
    hold = (
        "import fcntl, sys\n"
        "with open(sys.argv[1]) as file:\n"
        "    fcntl.flock(file, fcntl.LOCK_EX); print(); sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-uc", hold, lock], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        yield holder.pid
        holder.kill()


@pytest.mark.root
def test_who_holds_a_file_of_that_number_elsewhere_is_no_owner(tmp_path: Path) -> None:
    """On file systems that are new, as each tmpfs is, the same numbers come again."""
    files = []
    with contextlib.ExitStack() as undone:
        for name in ("one", "other"):
            place = tmp_path / name
            place.mkdir()
            subprocess.run(["mount", "-t", "tmpfs", "lxgit-test", place], check=True)
            undone.callback(unmount, place)
            files.append(place / "lock")
            files[-1].touch()
        assert files[0].stat().st_ino == files[1].stat().st_ino
        with files[0].open() as file, held(files[1]):
            with held(files[0]) as holder:
                (owner,) = lock_owners(file.fileno())
            assert owner.startswith(f"process {holder} (")


def test_shared_locks_go_together(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    with (
        locked(lock, shared=True, what="it"),
        locked(lock, shared=True, wait=False, what="it"),
        pytest.raises(LockHeld),
    ):
        locked(lock, wait=False, what="it").__enter__()


def test_who_waits_is_told_of_every_owner(tmp_path: Path) -> None:
    lock, told = tmp_path / "lock", list[str]()
    hold = (
        "import sys, pathlib\n"
        "from lxgit.locks import locked\n"
        "with locked(pathlib.Path(sys.argv[1]), shared=True, what='it'):\n"
        "    print('held', flush=True); sys.stdin.read()\n"
    )
    command = [sys.executable, "-c", hold, str(lock)]
    with (
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as one,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other,
    ):

        def hear(line: str) -> None:
            told.append(line)
            for holder in (one, other):
                assert holder.stdin is not None
                holder.stdin.close()

        for holder in (one, other):
            assert holder.stdout is not None
            holder.stdout.readline()
        on_wait(hear)
        with locked(lock, what="the door"):
            pass
    on_wait(lambda _: None)
    (line,) = told
    assert line.endswith("the door is in use")
    assert all(f"process {holder.pid} (" in line for holder in (one, other))


def test_who_gives_up_has_been_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where a busy machine makes one moment of the time until then."""
    monkeypatch.setattr(locks, "TOLD_AFTER", 0.0)
    lock, told = tmp_path / "lock", list[str]()
    lock.touch()
    on_wait(told.append)
    with held(lock) as holder:
        assert not Waiting(0.0, (lock, "the door")).goes_on()
    on_wait(lambda _: None)
    (line,) = told
    assert line.startswith(f"waiting for process {holder} (")


def test_a_short_wait_is_not_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "TOLD_AFTER", 60.0)  # whatever the machine makes of 0.3
    told: list[str] = []
    on_wait(told.append)
    held = contextlib.ExitStack()
    held.enter_context(locked(tmp_path / "lock", what="it"))
    threading.Timer(0.3, held.close).start()
    with locked(tmp_path / "lock", what="it"):
        pass
    on_wait(lambda _: None)
    assert told == []
