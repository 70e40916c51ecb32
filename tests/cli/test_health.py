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
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from tests.support.program import Lxgit

OFTEN = ("--health-interval", "100ms")


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
    def test_it_starts_is_well_and_falls_ill(self, emptied: Lxgit) -> None:
        command = "cat /ill && exit 3; echo fine"
        start(emptied, "--health-cmd", command, *OFTEN, "--health-retries", "2")
        wait_until(lambda: "(healthy)" in emptied("ps").out)
        assert health(emptied)["Log"][0]["ExitCode"] == 0
        assert "fine" in health(emptied)["Log"][0]["Output"]
        assert emptied("ps", "-q", "--filter", "health=healthy", "--filter", "health=none").out
        assert not emptied("ps", "-q", "--filter", "health=unhealthy").out
        emptied("exec", "web", "sh", "-c", "echo ill > /ill")
        wait_until(lambda: "(unhealthy)" in emptied("ps").out)
        assert health(emptied)["FailingStreak"] >= 2
        assert health(emptied)["Log"][-1]["ExitCode"] == 3
        emptied("exec", "web", "rm", "/ill")
        wait_until(lambda: health(emptied)["Status"] == "healthy")
        assert len(health(emptied)["Log"]) <= 5
        emptied("stop", "-t", "0", "web")

    def test_one_that_is_asked_for_in_years(self, emptied: Lxgit) -> None:
        longest = "9223372036s"
        start(emptied, "--health-cmd", "true", "--health-interval", longest)
        assert emptied("exec", "web", "echo", "on").out == "on\n"
        assert health(emptied)["Status"] == "starting"
        assert emptied("inspect", "web").json[0]["Config"]["Healthcheck"]["Interval"] < 1 << 63
        emptied("rm", "-f", "web")
        more = ("--health-timeout", longest, "--health-start-period", longest)
        start(emptied, "--health-cmd", "true", *OFTEN, *more)
        wait_until(lambda: health(emptied)["Status"] == "healthy")

    def test_one_that_takes_too_long_has_failed(self, emptied: Lxgit) -> None:
        options = ("--health-timeout", "200ms", "--health-retries", "1")
        start(emptied, "--health-cmd", "sleep 600", *OFTEN, *options)
        wait_until(lambda: health(emptied)["Status"] == "unhealthy")
        assert health(emptied)["Log"][0]["ExitCode"] == -1
        assert "too long" in health(emptied)["Log"][0]["Output"]

    def test_one_whose_time_is_up_before_lxc_has_made_it(self, emptied: Lxgit) -> None:
        options = ("--health-timeout", "1ms", "--health-retries", "1")
        start(emptied, "--health-cmd", "sleep 600", *OFTEN, *options)
        wait_until(lambda: health(emptied)["Status"] == "unhealthy")

    def test_until_the_first_check_it_is_starting(self, emptied: Lxgit) -> None:
        start(emptied, "--health-cmd", "true", "--health-interval", "1h")
        assert "(health: starting)" in emptied("ps").out
        assert health(emptied) == {"Status": "starting", "FailingStreak": 0, "Log": []}

    def test_a_paused_one_is_not_asked(self, emptied: Lxgit) -> None:
        start(emptied, "--health-cmd", "true", *OFTEN)
        wait_until(lambda: health(emptied)["Status"] == "healthy")
        emptied("pause", "web")

        def stands() -> bool:  # one that was under way may still come
            before = health(emptied)["Log"][-1]
            time.sleep(0.5)
            return bool(health(emptied)["Log"][-1] == before)

        wait_until(stands)
        before = health(emptied)["Log"][-1]["Start"]
        emptied("unpause", "web")
        wait_until(lambda: health(emptied)["Log"][-1]["Start"] > before)


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
    with pytest.raises(InvalidHealthCheck, match="retries of a health check"):
        WantedHealth(command="date", retries=0).applied(ImageConfig())


def test_an_image_cannot_keep_the_host_busy() -> None:
    check = {"Test": ["CMD", "true"], "Interval": 1, "Timeout": 1, "StartPeriod": 1}
    image = ImageConfig(extra={"Healthcheck": check})
    found = WantedHealth().applied(image)
    assert found is not None
    assert (found.interval, found.timeout, found.start_period) == (1, 0.001, 1e-9)
    found = WantedHealth(interval=0.25).applied(image)
    assert found is not None
    assert found.interval == 0.25
    for said in (WantedHealth(interval=0.0001), WantedHealth(timeout=0.0001)):
        with pytest.raises(InvalidHealthCheck, match="cannot be less than 1ms"):
            said.applied(image)


def test_lengths_of_time() -> None:
    texts = ("30s", "1m30s", "500ms", "2", "1.5h", "0")
    assert [span("--for", text) for text in texts] == [30, 90, 0.5, 2, 5400, 0]
    for text in ("", "s", "3x", "1d", "-1s", "-1", "1e400", "\u0663s", "9" * 400 + "h", "9" * 5000):
        with pytest.raises(UsageError, match=r"--for takes a length of time, and '.*' is none"):
            span("--for", text)
    for text in ("9223372037", "9" * 18 + "h", "2562048h"):
        with pytest.raises(UsageError, match=f"--for {text} is more than there can be"):
            span("--for", text)
    assert span("--for", "9223372036s") == 9_223_372_036
