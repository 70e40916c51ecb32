from __future__ import annotations

import pytest

from lxgit.objects.accounts import account_id, account_lines
from lxgit.objects.metadata import MAX_ID


@pytest.mark.parametrize(
    ("text", "number"),
    [
        *(("0", 0), ("0033", 33), (str(MAX_ID), MAX_ID), (str(MAX_ID + 1), None)),
        *(("", None), ("-1", None), ("+1", None), ("1_0", None), (" 1", None), ("0x1", None)),
        *(("\u0663", None), ("9" * 10, None), ("0" * 11, None), ("9" * 5000, None)),
    ],
)
def test_numbers(text: str, number: int | None) -> None:
    assert account_id(text) == number


def test_lines() -> None:
    data = b"root:x:0:0:r:/:sh\nshort:x\n\nna\xefve\x0b\x85:x:1:1\r\nlast:x:2:::::more:fields\n:::"
    assert list(account_lines(data, 4)) == [
        ["root", "x", "0", "0", "r", "/", "sh"],
        ["na\udcefve\x0b\udc85", "x", "1", "1\r"],
        ["last", "x", "2", "", "", "", "", "more:fields"],
        ["", "", "", ""],
    ]


def test_what_no_program_can_be_given() -> None:
    assert list(account_lines(b"a:x:1:1::/a\0b\nb:x:2:2\0\n\0:x:3:3\nd:x:4:4", 4)) == [
        ["d", "x", "4", "4"]
    ]


def test_a_file_of_nothing_but_colons() -> None:
    ((*fields, rest),) = account_lines(b":" * (1 << 20), 3)
    assert fields == [""] * 7
    assert len(rest) == (1 << 20) - 7
