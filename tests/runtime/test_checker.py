"""Health checks as the supervisor has them, whose other end is the test's."""

from __future__ import annotations

from socket import MSG_PEEK
from typing import TYPE_CHECKING

import pytest

from lxgit.runtime import protocol
from lxgit.runtime.checker import Checker
from lxgit.runtime.health import UNHEALTHY, Health, HealthCheck
from lxgit.runtime.loop import Loop
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    import socket


def test_a_check_that_ends_as_it_is_killed() -> None:
    """With the signal unread the kernel tells of that first (ECONNRESET): it ends no container."""
    loop = Loop()
    begun: list[socket.socket] = []
    found: list[Health] = []
    check = HealthCheck(("true",), interval=0.05, timeout=0.0, retries=1)
    Checker(
        check, loop, lambda channel, _: begun.append(channel), found.append, lambda: bool(begun)
    )

    def is_killed() -> bool:
        loop.turn(0)
        return bool(begun) and begun[0].recv(protocol.MAX_MESSAGE, MSG_PEEK) != b""

    wait_until(is_killed)
    with begun[0] as channel:
        channel.send(protocol.ended(0))
    while not found:
        loop.turn(0.1)
    assert found[0].status == UNHEALTHY
    assert found[0].log[0].output == "the health check took too long"
    loop.close()


def test_a_check_whose_end_nobody_tells_of_was_not_made() -> None:
    """Who executes it may fail before there is anything to tell: it ends no container."""
    loop = Loop()
    found: list[Health] = []
    check = HealthCheck(("true",), interval=0.05, timeout=60.0, retries=1)
    Checker(check, loop, lambda channel, _: channel.close(), found.append, lambda: bool(found))
    while not found:
        loop.turn(0.1)
    assert found[0].status == UNHEALTHY
    assert found[0].log[0].exit_code == 125
    assert found[0].log[0].output == "it is not known how the health check ended"
    loop.close()


def test_one_that_has_ended_reports_no_more() -> None:
    """Neither the check that was under way nor another; the container may have another checker."""
    loop = Loop()
    begun: list[socket.socket] = []
    found: list[Health] = []
    check = HealthCheck(("true",), interval=0.05, timeout=60.0)
    checker = Checker(
        check, loop, lambda channel, _: begun.append(channel), found.append, lambda: False
    )
    while not begun:
        loop.turn(0.1)
    checker.end()
    with begun[0] as channel:
        channel.send(protocol.ended(0))
    loop.turn(0.1)
    loop.turn(0.1)
    assert len(begun) == 1
    assert not found
    loop.close()


def test_one_that_has_ended_before_its_first_check_makes_none() -> None:
    loop = Loop()
    check = HealthCheck(("true",), interval=0.05, timeout=60.0)

    def refuse(*_: object) -> None:
        pytest.fail("there is nothing to check any more")

    Checker(check, loop, refuse, refuse, lambda: False).end()
    loop.turn(1)
    loop.close()
