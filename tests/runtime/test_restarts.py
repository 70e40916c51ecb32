"""Restart policies, as values."""

from __future__ import annotations

import pytest

from lxgit.runtime.restarts import Backoff, InvalidPolicy, RestartPolicy


def test_policies_as_they_are_typed() -> None:
    assert RestartPolicy.of("no") == RestartPolicy()
    assert RestartPolicy.of("on-failure") == RestartPolicy("on-failure", None)
    assert RestartPolicy.of("on-failure:3") == RestartPolicy("on-failure", 3)
    for text in ("", "yes", "always:3", "on-failure:", "on-failure:-1", "on-failure:x"):
        with pytest.raises(InvalidPolicy):
            RestartPolicy.of(text)


@pytest.mark.parametrize(
    ("policy", "code", "stopped", "restarts", "goes_on"),
    [
        ("no", 1, False, 0, False),
        ("always", 0, False, 99, True),
        ("always", 0, True, 0, False),
        ("unless-stopped", 1, False, 99, True),
        ("unless-stopped", 1, True, 0, False),
        ("on-failure", 0, False, 0, False),
        ("on-failure", 1, False, 99, True),
        ("on-failure:2", 1, False, 1, True),
        ("on-failure:2", 1, False, 2, False),
    ],
)
def test_who_is_started_again(
    policy: str, code: int, stopped: bool, restarts: int, goes_on: bool
) -> None:
    wants = RestartPolicy.of(policy).wants
    assert wants(exit_code=code, stopped=stopped, restarts=restarts) is goes_on


def test_who_is_started_at_boot() -> None:
    assert RestartPolicy.of("always").wants_at_boot(stopped=True)
    assert RestartPolicy.of("unless-stopped").wants_at_boot(stopped=False)
    assert not RestartPolicy.of("unless-stopped").wants_at_boot(stopped=True)
    assert not RestartPolicy.of("on-failure").wants_at_boot(stopped=False)
    assert not RestartPolicy.of("no").wants_at_boot(stopped=False)


def test_the_wait_doubles_until_a_life_lasts() -> None:
    backoff = Backoff()
    waits = [backoff.after(1) for _ in range(12)]
    assert waits[:4] == [0.1, 0.2, 0.4, 0.8]
    assert waits[-1] == 60
    assert backoff.after(10) == 0.1
    assert backoff.after(1) == 0.2
