"""What people type: sizes, and lists of KEY=VALUE."""

from __future__ import annotations

import pytest

from lxgit.errors import UsageError
from lxgit.spelling import parse_memory, parse_pairs, parse_size, parse_switch


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
    assert parse_size(text) == count


@pytest.mark.parametrize("text", ["", "G", "-1", "1X", "1iB", "1e9", "ten", "1.G", "1" * 30])
def test_sizes_that_are_none(text: str) -> None:
    with pytest.raises(UsageError, match="--max-size takes a size"):
        parse_size(text)


def test_no_size_is_beyond_what_the_kernel_counts() -> None:
    assert parse_memory("--memory", "8388607t") < 1 << 63
    with pytest.raises(UsageError, match="--memory 9223372036854775808 is more than there can be"):
        parse_memory("--memory", "9223372036854775808")
    with pytest.raises(UsageError, match="--max-size 9999999PiB is more than there can be"):
        parse_size("9999999PiB")


def test_pairs_are_a_line_of_csv() -> None:
    text = 'type=bind,"src=/a,b=c",Ro,alias=x,alias='
    found = parse_pairs("--mount", text, {"src": "source"}, several=("alias",))
    assert found == [
        ("type", "bind"),
        ("source", "/a,b=c"),
        ("ro", ""),
        ("alias", "x"),
        ("alias", ""),
    ]
    assert parse_pairs("--mount", "", {}) == []


def test_no_key_is_said_twice_by_whatever_name() -> None:
    with pytest.raises(UsageError, match="says 'source' twice"):
        parse_pairs("--mount", "src=/a,SOURCE=/b", {"src": "source"})


@pytest.mark.parametrize("text", ['"a=1', '"a=1"b', "a\nb", "a=" + "x" * 200_000])
def test_lines_that_are_no_csv(text: str) -> None:
    with pytest.raises(UsageError, match="is no list of KEY=VALUE"):
        parse_pairs("--mount", text, {})


@pytest.mark.parametrize(
    ("text", "is_on"), [("", True), ("True", True), ("1", True), ("FALSE", False), ("0", False)]
)
def test_switches(text: str, is_on: bool) -> None:
    assert parse_switch("ro", text) == is_on


def test_a_switch_that_is_none() -> None:
    with pytest.raises(UsageError, match="'ro' is not 'yes'"):
        parse_switch("ro", "yes")
