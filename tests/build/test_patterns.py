"""Patterns of a .dockerignore and of COPY, against regular expressions, on which they are slow."""

from __future__ import annotations

import re
import subprocess
import sys
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lxgit.build.ignore import BadIgnoreFile, Ignore, ignoring, read_ignore
from lxgit.build.patterns import BadPattern, Pattern


@pytest.mark.parametrize(
    ("pattern", "fitting", "other"),
    [
        ("a*", ["a", "ab", "a.b"], ["", "ba", "a/b"]),
        ("*/b", ["a/b", "/b"], ["b", "a/a/b"]),
        ("a?c", ["abc", "aüc"], ["ac", "a/c", "abbc"]),
        ("[a-c]x[^0-9]", ["axa", "bx-"], ["dxa", "ax5"]),
        ("[^a]", ["b", "-"], ["a", ""]),
        (r"\*\[a", ["*[a"], ["x[a"]),
        (r"[\]a]", ["]", "a"], ["\\"]),
        ("**", ["a", "**"], ["a/b"]),
        ("a.b+(c)", ["a.b+(c)"], ["aXb+(c)", "a.bb(c)"]),
    ],
)
def test_what_fits(pattern: str, fitting: list[str], other: list[str]) -> None:
    ready = Pattern(pattern)
    assert [text for text in fitting if not ready.matches(text)] == []
    assert [text for text in other if ready.matches(text)] == []


@pytest.mark.parametrize("text", ["[", "[a", "[]", "[]a]", "[a-]", "a\\", "[-a]", "x" * 5000])
def test_what_is_no_pattern(text: str) -> None:
    with pytest.raises(BadPattern):
        Pattern(text)


def ignored(text: str, *paths: str) -> list[str]:
    rules = read_ignore(text.encode(), ".dockerignore")
    return [path for path in paths if rules.matches(path.encode())]


@pytest.mark.parametrize(
    ("text", "paths", "left_out"),
    [
        ("*.o\n", "a.o b/a.o b", "a.o"),
        ("**/*.o\n", "a.o b/a.o b/c/a.o b", "a.o b/a.o b/c/a.o"),
        ("**.o\n", "a.o b/a.o b.c", "a.o b/a.o"),
        ("a/**\n", "a a/b a/b/c b", "a/b a/b/c"),
        ("a/**/b\n", "a/b a/x/b a/x/y/b ab", "a/b a/x/b a/x/y/b"),
        ("/a/\n ./b \n", "a a/x b ab", "a a/x b"),
        ("a\n!a/b\n", "a a/x a/b a/b/c", "a a/x"),
        ("!a/b\na\n", "a a/b", "a a/b"),
        ("*\n!a/b\n! c\n", "a a/b a/x c d", "a a/x d"),
        ("# a\n #b\n", "a # #b", "#b"),
        ("\ufeffa\r\nb\r\n", "a b", "a b"),
        ("../a\n", "a", ""),
        ("a/../b\n", "a b", "b"),
        (".\n", "a", ""),
        ("", "a", ""),
    ],
)
def test_what_is_left_out(text: str, paths: str, left_out: str) -> None:
    assert ignored(text, *paths.split()) == left_out.split()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a\n[\n", "line 2: the pattern '['"),
        ("!\n", "line 1: a pattern is '!' alone"),
        ("a\n" * 5000, "has more than 4,096 patterns"),
    ],
)
def test_what_is_refused_by_line(text: str, words: str) -> None:
    with pytest.raises(BadIgnoreFile, match=re.escape(words)):
        ignored(text)


def expression(pattern: str) -> str:
    """The regular expression that stands for a pattern, as moby/patternmatcher has it."""
    if re.fullmatch(r"\*\*[^*?/][^*?]*|\*\*", pattern):
        return f".*{re.escape(pattern[2:])}"
    pieces = {"**/": "(?:.*/)?", "**": "(?:.*/)?", "*": "[^/]*", "?": "[^/]"}
    found = re.findall(r"\*\*/?|[*?]|[^*?]", pattern)
    made = [pieces.get(piece, re.escape(piece)) for piece in found]
    if found and found[-1] in ("**", "**/"):
        made[-1] = ".*"
    return "".join(made)


SOME = st.lists(st.sampled_from(["*", "**", "?", "/", "a", "b"]), min_size=1, max_size=6)


@given(SOME.map("".join), st.text("ab/", min_size=1, max_size=7))
def test_two_stars_are_as_in_moby(pattern: str, path: str) -> None:
    if "***" in pattern:
        return
    wanted = re.fullmatch(expression(pattern), path, re.DOTALL)
    assert Pattern(pattern, doublestar=True).matches(path) == bool(wanted)


@given(st.lists(st.tuples(st.booleans(), SOME), max_size=4), st.lists(st.sampled_from("ab")))
def test_a_walk_decides_as_the_whole_path(
    rules: list[tuple[bool, list[str]]], names: list[str]
) -> None:
    """What is cut off for good has nothing below that is let in again."""
    lines = ("!" * lets_in + "".join(pieces) for lets_in, pieces in rules)
    ignore = read_ignore("\n".join(lines).encode(), "x")
    standing = ignore.top
    for number, name in enumerate(names, start=1):
        if ignore.leaves_out(standing) and not ignore.may_let_in(standing):
            path = "/".join(names[:number])
            assert ignore.matches(path.encode())
        standing = ignore.below(standing, name.encode())


REMEMBERED = """
import itertools
from lxgit.build.ignore import read_ignore
rules = read_ignore("".join(f"*a{'?' * 200}{n}\\n" for n in range(200)).encode(), "x")
names = itertools.islice(itertools.product(b"ab", repeat=12), 0, 4096, 500)
assert not any(rules.matches(bytes(name) * 20) for name in names)
"""


def test_many_patterns_fill_no_memory() -> None:
    """Each name leads them to other states than the last one."""
    limited = ("prlimit", f"--as={200 << 20}", sys.executable, "-c", REMEMBERED)
    subprocess.run(limited, check=True, timeout=100)


def test_excluded_are_as_many_letters_as_a_file_has() -> None:
    with pytest.raises(BadPattern, match="more than 256 KiB"):
        ignoring(["a" * 4000] * 100)


def test_many_stars_take_no_longer() -> None:
    begin = time.process_time()
    assert not Pattern("*a" * 60 + "b").matches("a" * 4000)
    assert not Pattern("**/a" * 60 + "/b", doublestar=True).matches("a/" * 2000)
    assert time.process_time() - begin < 4
    assert not Ignore()
