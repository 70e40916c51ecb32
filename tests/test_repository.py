"""A store that is made, and taken away when what it was made for has failed."""

from __future__ import annotations

import os
import random
import time
from typing import TYPE_CHECKING

from lxgit.operations.store import open_store
from lxgit.repository import open_repository

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

WORKERS, ROUNDS = 4, 6


def child(work: Callable[[], object]) -> int:
    """A process of its own; it exits with 0 unless the work raised."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    return pid


def code_of(pid: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_what_has_something_in_it_stays(tmp_path: Path) -> None:
    place = tmp_path / "store"
    for used in ("containers/a", "volumes/a", "networks/a", "tmp/download-a.part", "operations"):
        repository = open_store(str(place), create=True)
        assert repository.is_new
        (place / used).parent.mkdir(exist_ok=True)
        (place / used).touch()
        repository.take_away()
        open_repository(place)
        (place / used).unlink()
        repository.take_away()
        assert not place.exists()


def test_what_another_process_is_about_to_fill_stays(tmp_path: Path) -> None:
    place = tmp_path / "store"
    repository = open_store(str(place), create=True)
    ready, go_on = os.pipe(), os.pipe()

    def work() -> None:
        other = open_store(str(place), create=True)
        assert not other.is_new
        os.write(ready[1], b".")
        os.read(go_on[0], 1)

    pid = child(work)
    os.read(ready[0], 1)
    repository.take_away()
    open_repository(place)
    os.write(go_on[1], b".")
    assert code_of(pid) == 0
    for fd in (*ready, *go_on):
        os.close(fd)
    repository.take_away()
    assert not place.exists()


def test_nobody_loses_a_store_that_others_make_and_take_away(tmp_path: Path) -> None:
    place = tmp_path / "store"

    def fails() -> None:
        repository = open_store(str(place), create=True)
        if repository.is_new:
            repository.take_away()

    def writes() -> None:
        open_store(str(place), create=True)
        mark = place / "tmp" / str(os.getpid())
        for _ in range(5):
            mark.touch()
            time.sleep(0.001)
            mark.unlink()

    def works() -> None:
        chosen = random.Random(os.getpid())
        for _ in range(ROUNDS):
            assert code_of(child(chosen.choice((fails, fails, writes)))) == 0

    workers = [child(works) for _ in range(WORKERS)]
    assert [code_of(pid) for pid in workers] == [0] * WORKERS
