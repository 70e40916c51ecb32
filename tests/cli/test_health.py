"""--health-cmd and its like: what is asked for, and what ps and inspect say of it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from lxgit.cli.moments import span
from lxgit.errors import UsageError
from lxgit.objects.imageconfig import ImageConfig
from lxgit.operations.healthwishes import InvalidHealthCheck, WantedHealth
from lxgit.runtime.health import Health, HealthCheck, HealthResult

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.program import Lxgit

OFTEN = ("--health-interval", "100ms")


@pytest.fixture
def checked(based: Lxgit) -> Iterator[Lxgit]:
    """A store whose containers are all gone at the end."""
    yield based
    based("rm", "-f", *based("ps", "-aq").lines, code=None)


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not true():
        assert time.monotonic() < end
        time.sleep(0.05)


def health(lxgit: Lxgit) -> dict[str, Any]:
    (found,) = lxgit("inspect", "web").json
    assert isinstance(found["State"]["Health"], dict)
    return found["State"]["Health"]


def start(lxgit: Lxgit, *options: str) -> None:
    lxgit("run", "-d", "--network", "none", "--name", "web", *options, "base", "sleep", "600")


@pytest.mark.root
@pytest.mark.overlay
@pytest.mark.lxc
class TestRunning:
    def test_it_starts_is_well_and_falls_ill(self, checked: Lxgit) -> None:
        command = "cat /ill && exit 3; echo fine"
        start(checked, "--health-cmd", command, *OFTEN, "--health-retries", "2")
        until(lambda: "(healthy)" in checked("ps").out)
        assert health(checked)["Log"][0]["ExitCode"] == 0
        assert "fine" in health(checked)["Log"][0]["Output"]
        checked("exec", "web", "sh", "-c", "echo ill > /ill")
        until(lambda: "(unhealthy)" in checked("ps").out)
        assert health(checked)["FailingStreak"] >= 2
        assert health(checked)["Log"][-1]["ExitCode"] == 3
        checked("exec", "web", "rm", "/ill")
        until(lambda: health(checked)["Status"] == "healthy")
        assert len(health(checked)["Log"]) <= 5
        checked("stop", "-t", "0", "web")

    def test_one_that_takes_too_long_has_failed(self, checked: Lxgit) -> None:
        options = ("--health-timeout", "200ms", "--health-retries", "1")
        start(checked, "--health-cmd", "sleep 600", *OFTEN, *options)
        until(lambda: health(checked)["Status"] == "unhealthy")
        assert health(checked)["Log"][0]["ExitCode"] == -1
        assert "too long" in health(checked)["Log"][0]["Output"]

    def test_until_the_first_check_it_is_starting(self, checked: Lxgit) -> None:
        start(checked, "--health-cmd", "true")
        assert "(health: starting)" in checked("ps").out
        assert health(checked) == {"Status": "starting", "FailingStreak": 0, "Log": []}

    def test_a_paused_one_is_not_asked(self, checked: Lxgit) -> None:
        start(checked, "--health-cmd", "true", *OFTEN)
        until(lambda: health(checked)["Status"] == "healthy")
        checked("pause", "web")

        def stands() -> bool:  # one that was under way may still come
            before = health(checked)["Log"][-1]
            time.sleep(0.5)
            return bool(health(checked)["Log"][-1] == before)

        until(stands)
        before = health(checked)["Log"][-1]["Start"]
        checked("unpause", "web")
        until(lambda: health(checked)["Log"][-1]["Start"] > before)


def result(code: int) -> HealthResult:
    return HealthResult(1, 2, code, "")


def test_failures_count_in_a_row_and_not_while_it_starts() -> None:
    check = HealthCheck(("true",), retries=2)
    now = Health()
    for code, starting, status in (
        (1, True, "starting"),
        (1, True, "starting"),
        (1, False, "starting"),
        (1, False, "unhealthy"),
        (0, False, "healthy"),
        (1, True, "healthy"),
        (0, False, "healthy"),
        (1, False, "healthy"),
        (1, False, "unhealthy"),
    ):
        now = now.after(result(code), check, is_starting=starting)
        assert now.status == status
    assert len(now.log) == 5


def test_the_image_has_its_say() -> None:
    image = ImageConfig(
        extra={"Healthcheck": {"Test": ["CMD-SHELL", "true"], "Interval": 10**9, "Retries": 7}}
    )
    assert WantedHealth().applied(ImageConfig()) is None
    found = WantedHealth(timeout=2).applied(image)
    assert found == HealthCheck(("/bin/sh", "-c", "true"), interval=1, timeout=2, retries=7)
    assert WantedHealth(none=True).applied(image) is None
    said = WantedHealth(command="date").applied(image)
    assert said is not None
    assert said.command == ("/bin/sh", "-c", "date")
    with pytest.raises(InvalidHealthCheck, match="no command"):
        WantedHealth(interval=1).applied(ImageConfig())
    with pytest.raises(InvalidHealthCheck, match="above 0"):
        WantedHealth(command="date", retries=0).applied(ImageConfig())


def test_lengths_of_time() -> None:
    assert [span(text) for text in ("30s", "1m30s", "500ms", "2", "1.5h")] == [30, 90, 0.5, 2, 5400]
    for text in ("", "s", "3x", "1d", "-1s"):
        with pytest.raises(UsageError):
            span(text)
