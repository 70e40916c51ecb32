"""Times, sizes and paths as people read them."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lxgit.cli.human import (
    duration,
    git_date,
    iso_date,
    nanosecond_date,
    quote_path,
    shown_path,
    size,
    utc_date,
)

if TYPE_CHECKING:
    from pathlib import Path

HOUR = 3600
DAY = 24 * HOUR


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-5, "Less than a second"),
        (0.9, "Less than a second"),
        (1, "1 second"),
        (22.7, "22 seconds"),
        (59, "59 seconds"),
        (60, "About a minute"),
        (119, "About a minute"),
        (120, "2 minutes"),
        (14 * 60 + 30, "14 minutes"),
        (HOUR - 1, "59 minutes"),
        (HOUR, "About an hour"),
        (1.4 * HOUR, "About an hour"),
        (1.5 * HOUR, "2 hours"),
        (47 * HOUR, "47 hours"),
        (48 * HOUR, "2 days"),
        (13 * DAY, "13 days"),
        (14 * DAY, "2 weeks"),
        (86 * DAY, "12 weeks"),
        (90 * DAY, "3 months"),
        (729 * DAY, "24 months"),
        (730 * DAY, "2 years"),
    ],
)
def test_durations_as_docker_says_them(seconds: float, words: str) -> None:
    assert duration(seconds) == words


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.00 kB"),
        (1430, "1.43 kB"),
        (9_994, "9.99 kB"),
        (9_995, "10.0 kB"),
        (99_949, "99.9 kB"),
        (99_950, "100 kB"),
        (999_499, "999 kB"),
        (999_500, "1.00 MB"),
        (874_000_000, "874 MB"),
        (3 << 30, "3.22 GB"),
        (10**21, "1000 EB"),
        (-1430, "-1.43 kB"),
    ],
)
def test_sizes(count: int, words: str) -> None:
    assert size(count) == words


@pytest.mark.parametrize(
    ("seconds", "offset", "git", "iso"),
    [
        (1795527135, 0, "Tue Nov 24 13:32:15 2026 +0000", "2026-11-24T13:32:15+00:00"),
        (1795527135, 90, "Tue Nov 24 15:02:15 2026 +0130", "2026-11-24T15:02:15+01:30"),
        (1795527135, -570, "Tue Nov 24 04:02:15 2026 -0930", "2026-11-24T04:02:15-09:30"),
        (-1, 0, "Wed Dec 31 23:59:59 1969 +0000", "1969-12-31T23:59:59+00:00"),
        (2**62, 0, "Thu Jan 1 00:00:00 1970 +0000", "1970-01-01T00:00:00+00:00"),
    ],
)
def test_dates(seconds: int, offset: int, git: str, iso: str) -> None:
    assert git_date(seconds, offset) == git
    assert iso_date(seconds, offset) == iso


def test_a_moment_in_a_table_of_dockers() -> None:
    assert utc_date(1795527135) == "2026-11-24 13:32:15 +0000 UTC"


def test_nanoseconds() -> None:
    assert nanosecond_date(1795527135 * 10**9 + 1) == "2026-11-24 13:32:15.000000001"
    assert nanosecond_date(-5_000_000_001) == "1969-12-31 23:59:54.999999999"


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        (b"", "/"),
        (b"etc/hosts", "/etc/hosts"),
        (b"a b", "/a b"),
        ("日本".encode(), "/日本"),
        (b"a\nb\tc", r'"/a\nb\tc"'),
        (b'say "x"\\', r'"/say \"x\"\\"'),
        (b"\xff\x1b[2J", r'"/\377\033[2J"'),
        ("a\u202eb".encode(), r'"/a\342\200\256b"'),
        (b"\x7f", r'"/\177"'),
    ],
)
def test_paths_are_quoted_where_they_would_not_print(path: bytes, shown: str) -> None:
    assert shown_path(path) == shown


NAMES = st.binary(min_size=1, max_size=40).filter(
    lambda name: (
        b"\0" not in name and b"/" not in name and name.lower() not in {b".", b"..", b".git"}
    )
)


@given(NAMES)
def test_quoted_paths_print_and_stand_for_one_path(name: bytes) -> None:
    text = quote_path(name)
    assert text.isprintable()
    assert unquoted(text) == name


def unquoted(text: str) -> bytes:
    """What a C compiler reads."""
    if not text.startswith('"'):
        return text.encode()
    escaped = text[1:-1].encode("latin-1", "backslashreplace") if text.isascii() else None
    if escaped is None:
        return b"".join(map(unquoted_letter, split_letters(text[1:-1])))
    return escaped.decode("unicode_escape").encode("latin-1")


def split_letters(text: str) -> list[str]:
    """The letters of the inside of a C string, an escape as one."""
    letters = []
    while text:
        length = 1 if text[0] != "\\" else 4 if text[1].isdigit() else 2
        letters.append(text[:length])
        text = text[length:]
    return letters


def unquoted_letter(letter: str) -> bytes:
    if letter[0] != "\\":
        return letter.encode()
    return letter.encode().decode("unicode_escape").encode("latin-1")


def test_quoting_is_gits(tmp_path: Path) -> None:
    """Git, told not to quote UTF-8, prints the same for names without letters that do not print."""
    names = [bytes([byte]) + b"x" for byte in range(1, 128) if byte not in b"/"]
    names += ["é".encode(), b"\xff\xfe", b"\xc3", b"a b"]
    git = ["git", "-C", os.fspath(tmp_path), "-c", "core.quotePath=false"]
    subprocess.run([*git, "init", "-q"], check=True)
    for name in names:
        (tmp_path / os.fsdecode(name)).touch()
    command = [*git, "ls-files", "--others", "-z"]
    order = subprocess.run(command, check=True, capture_output=True).stdout.split(b"\0")[:-1]
    command = [*git, "ls-files", "--others"]
    printed = subprocess.run(command, check=True, capture_output=True).stdout.splitlines()
    # Where Git leaves bytes that are not UTF-8 as they are, lxgit quotes them.
    differing = {b"\xff\xfe", b"\xc3"}
    assert len(order) == len(names)
    for name, line in zip(order, printed, strict=True):
        if name not in differing:
            assert quote_path(name).encode() == line
