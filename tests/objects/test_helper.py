from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from typing import Any

import pytest

from lxgit.errors import LxgitError
from lxgit.objects.collisions import CollisionAttack
from lxgit.objects.database import CorruptObject, MissingObject
from lxgit.objects.helper import Helper, HelperFailed, pump
from lxgit.objects.ids import ObjectID
from tests.support.processes import has_ended
from tests.support.waiting import wait_until


def doubled(jobs: list[Any]) -> list[Any]:
    return [job * 2 for job in jobs]


def pid_of(jobs: list[Any]) -> list[Any]:
    return [os.getpid() for _ in jobs]


def collect(helper: Helper, count: int) -> list[Any]:
    while len(helper.answers) < count:
        pump((helper,), wait=True)
    return list(helper.answers)


def test_answers_come_in_the_order_of_the_jobs() -> None:
    with Helper(doubled, keeps=()) as helper:
        for number in range(100):
            helper.give([number, b"x" * number])
        answers = collect(helper, 200)
    assert answers == [value for n in range(100) for value in (n * 2, b"x" * n * 2)]


def test_it_prepares_before_it_takes_jobs() -> None:
    done: list[Any] = []
    with Helper(lambda jobs: done + jobs, keeps=(), prepare=lambda: done.append("ready")) as helper:
        assert done == []  # not here
        helper.give([1])
        assert collect(helper, 2) == ["ready", 1]


def test_neither_side_waits_for_the_other() -> None:
    """Both pipes are full many times over before anything is taken out."""
    job = b"y" * 50_000
    with Helper(doubled, keeps=()) as first, Helper(doubled, keeps=()) as second:
        for _ in range(100):
            first.give([job])
            second.give([job])
            pump((first, second))
        assert collect(first, 100) == [job * 2] * 100
        assert collect(second, 100) == [job * 2] * 100


@pytest.mark.parametrize(
    "error",
    [
        CollisionAttack("it collides", hint="with what"),
        MissingObject(ObjectID(b"0" * 20), {"a.pack": "short"}),
        CorruptObject(ObjectID(b"1" * 20), "no zlib"),
        OSError(errno.ENOSPC, "full", b"/a\xff"),
        FileNotFoundError(errno.ENOENT, "none", "a", None, "b"),
        MemoryError(),
        UnicodeDecodeError("utf-8", b"\xff", 0, 1, "no"),
    ],
    ids=repr,
)
def test_its_errors_are_raised_here(error: BaseException) -> None:
    def refuse(jobs: list[Any]) -> list[Any]:
        raise error

    with Helper(refuse, keeps=()) as helper:
        helper.give([1])
        with pytest.raises(type(error)) as caught:
            collect(helper, 1)
    assert type(caught.value) is type(error)
    assert str(caught.value) == str(error)
    assert vars(caught.value) == vars(error)


def test_an_error_that_no_other_process_can_have() -> None:
    class Odd(Exception):
        pass

    def refuse(jobs: list[Any]) -> list[Any]:
        raise Odd("of this test")

    with Helper(refuse, keeps=()) as helper:
        helper.give([1])
        with pytest.raises(LxgitError, match="Odd: of this test"):
            collect(helper, 1)


def test_a_killed_one_is_told_of() -> None:
    with Helper(pid_of, keeps=()) as helper:
        helper.give([0])
        (pid,) = collect(helper, 1)
        os.kill(pid, signal.SIGKILL)
        helper.give([b"z" * 1_000_000])
        with pytest.raises(HelperFailed, match="SIGKILL"):
            collect(helper, 2)


def test_it_is_gone_behind_its_with() -> None:
    with Helper(pid_of, keeps=()) as helper:
        helper.give([0])
        (pid,) = collect(helper, 1)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_it_keeps_only_the_files_that_it_needs() -> None:
    """Or a program that this process feeds would never see the end of its input."""
    first, second = os.pipe(), os.pipe()
    with Helper(lambda _: os.listdir("/proc/self/fd"), keeps=(second[0],)) as helper:
        for fd in (first[1], second[1]):
            os.close(fd)
        assert os.read(first[0], 1) == b""
        helper.give([0])
        while not helper.answers:
            pump((helper,), wait=True)
        assert str(second[0]) in helper.answers
        assert str(first[0]) not in helper.answers
    os.close(first[0])
    os.close(second[0])


def test_it_dies_with_its_parent() -> None:
    program = """
import os, time
from lxgit.objects.database import CorruptObject, MissingObject
from lxgit.objects.helper import Helper, pump
def work(jobs):
    print(os.getpid(), flush=True)
    time.sleep(600)
with Helper(work, keeps=()) as helper:
    helper.give([0])
    while True:
        pump((helper,), wait=True)
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        pid = int(process.stdout.readline())
        process.kill()
    wait_until(lambda: has_ended(pid))
