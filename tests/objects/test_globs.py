"""Patterns of a shell, against what trying every part of a text finds."""

from __future__ import annotations

import re
import time

from hypothesis import given
from hypothesis import strategies as st

from lxgit.objects.globs import Glob

PATTERNS = st.text("ab*?", min_size=1, max_size=5)
TEXTS = st.text("ab\n", max_size=8)


def fits(pattern: str, part: str) -> bool:
    letters = {"*": ".*", "?": "."}
    return bool(re.fullmatch("".join(letters.get(one, one) for one in pattern), part, re.DOTALL))


@given(PATTERNS, TEXTS)
def test_beginnings_and_ends(pattern: str, text: str) -> None:
    lengths = range(len(text) + 1)
    heads = [size for size in lengths if fits(pattern, text[:size])]
    tails = [size for size in lengths if fits(pattern, text[len(text) - size :])]
    for longest, pick in ((False, min), (True, max)):
        glob = Glob(pattern, longest=longest)
        assert glob.without_beginning(text) == text[pick(heads, default=0) :]
        assert glob.without_end(text) == text[: len(text) - pick(tails, default=0)]


@given(PATTERNS, TEXTS)
def test_replacing(pattern: str, text: str) -> None:
    def replaced(begin: int, *, once: bool) -> str:
        for start in range(begin, len(text)):
            for end in range(len(text), start, -1):
                if fits(pattern, text[start:end]):
                    rest = text[end:] if once else replaced(end, once=False)
                    return f"{text[begin:start]}X{rest}"
        return text[begin:]

    glob = Glob(pattern, longest=True)
    if text:
        assert glob.replaced(text, "X", everywhere=False, most=9) == replaced(0, once=True)
        assert glob.replaced(text, "X", everywhere=True, most=9) == replaced(0, once=False)


def test_a_backslash_takes_a_letter_as_it_is() -> None:
    glob = Glob(r"\*\?\\", longest=True)
    assert glob.replaced(r"a*?\b", "", everywhere=True, most=9) == "ab"
    assert Glob("", longest=True).replaced("ab", "x", everywhere=True, most=9) == "ab"


def test_replacing_ends_where_it_makes_too_much() -> None:
    made = Glob("a", longest=True).replaced("a" * 1000, "b" * 100, everywhere=True, most=1000)
    assert 1000 < len(made) < 3000


def test_many_stars_take_no_longer() -> None:
    begin = time.process_time()
    text = "a" * 200_000
    glob = Glob("a*" * 30 + "b", longest=True)
    assert glob.replaced(text, "x", everywhere=True, most=len(text)) == text
    assert glob.without_end(text) == glob.without_beginning(text) == text
    assert time.process_time() - begin < 2
