from __future__ import annotations

import os
import re
import shlex
import subprocess
from itertools import chain

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lxgit.objects.shellwords import shell_line, shell_words

# As they come from the command line: text, and bytes that are none.
WORDS = st.binary(max_size=8).map(os.fsdecode) | st.text(
    st.characters(exclude_categories=["Cs"]), max_size=8
)
LETTERS = st.text(st.sampled_from("ab \t\n\\'\"$é#"), max_size=20)


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["echo", "a\nb"], r"echo $'a\nb'"),
        (["echo", r"a\nb"], r"echo 'a\nb'"),
        (["echo", "it's\tso\\"], r"echo $'it\'s\tso\\'"),
        (["Füße", "a b", ""], "'Füße' 'a b' ''"),
        (["é\x7f1", "\udcff", "\u2028"], r"$'é\1771' $'\377' $'\342\200\250'"),
        ([], ""),
    ],
)
def test_a_line_says_which_words_they_are(words: list[str], line: str) -> None:
    assert shell_line(words) == line
    assert shell_words(line) == words


@given(words=st.lists(WORDS, max_size=4))
@example(words=["'", "\n'$'\\", "$'\n'"])
@settings(max_examples=200, deadline=None)
def test_words_come_back_exactly_from_one_printable_line(words: list[str]) -> None:
    line = shell_line(words)
    assert line.isprintable()
    assert shell_words(line) == words


@given(words=st.lists(st.binary(min_size=1, max_size=6), min_size=1, max_size=3))
@example(words=[bytes(range(1, 256))])
@settings(max_examples=20, deadline=None)
def test_a_shell_reads_the_same(words: list[bytes]) -> None:
    line = shell_line(os.fsdecode(word.replace(b"\0", b"0")) for word in words)
    read = subprocess.run(
        ["bash", "-c", f"printf '%s\\0' {line}"],
        capture_output=True,
        check=True,
        env={"LC_ALL": "C.UTF-8"},
    )
    assert read.stdout.split(b"\0")[:-1] == [word.replace(b"\0", b"0") for word in words]


@given(pieces=st.lists(LETTERS, max_size=4))
@settings(max_examples=200, deadline=None)
def test_what_has_no_dollar_is_read_as_ever(pieces: list[str]) -> None:
    """Commits of former versions, and those of others."""
    line = re.sub(r"\$+'", "'", "".join(chain.from_iterable(pieces)))
    try:
        words = shlex.split(line)
    except ValueError:
        with pytest.raises(ValueError, match="No"):
            shell_words(line)
    else:
        assert shell_words(line) == words


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (r"/bin/sh -c 'a\nb'", ["/bin/sh", "-c", r"a\nb"]),
        ("a '$'b", ["a", "$b"]),
        (r"""a $'\x41\101\cA\e\q\"' "$'x'" \$'y'""", ["a", 'AA\x01\x1b\\q"', "$'x'", "$y"]),
    ],
)
def test_other_ways_of_writing(line: str, words: list[str]) -> None:
    assert shell_words(line) == words


def test_half_a_quote_is_none() -> None:
    for line in ("$'a", "$'a\\'", "'", '"'):
        with pytest.raises(ValueError, match="No closing quotation"):
            shell_words(line)
