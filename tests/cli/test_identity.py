"""Who commits."""

from __future__ import annotations

import os
import pwd

import pytest

from lxgit.cli.identity import identity
from lxgit.errors import UsageError
from lxgit.operations.values import Signature

NOW = 1795527135


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for role in ("AUTHOR", "COMMITTER"):
        for key in ("NAME", "EMAIL", "DATE"):
            monkeypatch.delenv(f"GIT_{role}_{key}", raising=False)


def nothing(_: str) -> None:
    """A store without a configuration of its own."""


CONFIGURED = {"user.name": "Ada", "user.email": "ada@example.org"}


def test_without_any_name_it_is_user_at_host() -> None:
    found = identity(nothing, now=NOW)
    user = pwd.getpwuid(os.geteuid()).pw_name
    assert found.author.name == user
    assert found.author.email == f"{user}@{os.uname().nodename}"
    assert found.author == found.committer
    assert found.author.time == NOW


def test_the_stores_configuration_comes_before_that() -> None:
    found = identity(CONFIGURED.get, now=NOW)
    assert (found.author.name, found.author.email) == ("Ada", "ada@example.org")


def test_the_environment_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_AUTHOR_NAME", "Grace")
    monkeypatch.setenv("GIT_COMMITTER_EMAIL", "grace@example.org")
    monkeypatch.setenv("GIT_AUTHOR_DATE", "1000 +0130")
    found = identity(CONFIGURED.get, now=NOW)
    assert found.author == Signature("Grace", "ada@example.org", 1000, 90)
    assert (found.committer.name, found.committer.email) == ("Ada", "grace@example.org")
    assert found.committer.time == NOW


def test_a_name_of_punctuation_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_AUTHOR_NAME", " <.> ")
    assert identity(nothing, now=NOW).author.name == pwd.getpwuid(os.geteuid()).pw_name


@pytest.mark.parametrize(
    ("text", "seconds", "offset"),
    [
        ("1000", 1000, 0),
        ("@1000 -0930", 1000, -570),
        ("2026-11-24T13:32:15+01:00", 1795523535, 60),
        ("2026-11-24 13:32:15Z", 1795527135, 0),
        ("Tue, 24 Nov 2026 13:32:15 +0100", 1795523535, 60),
    ],
)
def test_dates(monkeypatch: pytest.MonkeyPatch, text: str, seconds: int, offset: int) -> None:
    monkeypatch.setenv("GIT_AUTHOR_DATE", text)
    author = identity(nothing, now=NOW).author
    assert (author.time, author.offset) == (seconds, offset)


@pytest.mark.parametrize(
    "text",
    [
        "yesterday-ish",
        "24.11.",
        "1000 0130",
        "-5",
        "9" * 5000,
        "0001-01-01",
        "9999-12-31T23:59:59",
    ],
)
def test_what_is_no_date(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("GIT_COMMITTER_DATE", text)
    with pytest.raises(UsageError, match="GIT_COMMITTER_DATE is not a date"):
        identity(nothing, now=NOW)


@pytest.mark.parametrize(
    ("author", "name", "email"),
    [
        ("Grace Hopper <grace@example.org>", "Grace Hopper", "grace@example.org"),
        ("Grace", "Grace", ""),
        ("Grace <>", "Grace", ""),
    ],
)
def test_author(author: str, name: str, email: str) -> None:
    found = identity(CONFIGURED.get, author=author, now=NOW)
    assert (found.author.name, found.author.email, found.author.time) == (name, email, NOW)
    assert found.committer.name == "Ada"


@pytest.mark.parametrize("author", ["", "<grace@example.org>", " . "])
def test_an_author_has_a_name(author: str) -> None:
    with pytest.raises(UsageError, match="names no author"):
        identity(nothing, author=author, now=NOW)
