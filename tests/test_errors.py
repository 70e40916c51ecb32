"""Faults in words."""

from __future__ import annotations

import pytest

from lxgit.errors import quoted, some_of


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"etc/motd", "'etc/motd'"),
        (b"login\nsy", r"'login\nsy'"),
        ("Füße".encode(), "'Füße'"),
        (b"caf\xe9\0\x1b[2J", r"'caf\xe9\x00\x1b[2J'"),
        ("\u202etxt".encode(), r"'\u202etxt'"),
        (b"", "''"),
    ],
)
def test_bytes_are_told_as_text_in_one_line(data: bytes, text: str) -> None:
    assert quoted(data) == text


@pytest.mark.parametrize(
    ("names", "text"),
    [("a", "a"), ("abcde", "a, b, c, d, e"), ("abcdefg", "a, b, c, d, e and 2 more")],
)
def test_of_many_the_first_few_are_named(names: str, text: str) -> None:
    assert some_of([*names]) == text
