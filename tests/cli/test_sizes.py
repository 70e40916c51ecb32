"""Sizes that people type."""

from __future__ import annotations

import pytest

from lxgit.cli.sizes import parse_memory, parse_size
from lxgit.errors import UsageError


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("0", 0),
        ("1500", 1500),
        ("1500b", 1500),
        ("10k", 10_000),
        ("10 GB", 10_000_000_000),
        ("2.5TiB", 5 * 2**39),
        ("1MiB", 1 << 20),
        (" 3G ", 3_000_000_000),
    ],
)
def test_sizes_that_people_type(text: str, count: int) -> None:
    assert parse_size("--max-size", text) == count


@pytest.mark.parametrize("text", ["", "G", "-1", "1X", "1iB", "1e9", "ten", "1.G", "1" * 30])
def test_sizes_that_are_none(text: str) -> None:
    with pytest.raises(UsageError, match="--max-size takes a size"):
        parse_size("--max-size", text)


def test_no_size_is_beyond_what_the_kernel_counts() -> None:
    assert parse_memory("--memory", "8388607t") < 1 << 63
    for parse, text in ((parse_memory, "9223372036854775808"), (parse_size, "9999999PiB")):
        with pytest.raises(UsageError, match=f"--memory {text} is more than there can be"):
            parse("--memory", text)
