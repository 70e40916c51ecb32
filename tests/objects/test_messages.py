from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from lxgit.objects.git import Git
from lxgit.objects.messages import add_trailers, clean_message, subject, trailers

if TYPE_CHECKING:
    from tests.support.stockgit import StockGit

TOKENS = st.sampled_from(["Container", "Command", "Signed-off-by", "X-1"])
VALUES = st.text(
    st.characters(codec="utf-8", exclude_characters="\0\n\r", exclude_categories=["Cs"]),
    max_size=30,
)


class TestTrailers:
    @given(
        message=st.text(st.sampled_from("ab: \n"), max_size=30),
        pairs=st.lists(st.tuples(TOKENS, VALUES), min_size=1, max_size=4),
    )
    @example(message="", pairs=[("Container", "\N{NO-BREAK SPACE}0")])
    @example(message="", pairs=[("Command", "\v0\N{LINE SEPARATOR}1\f")])
    @settings(max_examples=60, deadline=None)
    def test_git_finds_those_that_were_added(
        self, message: str, pairs: list[tuple[str, str]]
    ) -> None:
        full = add_trailers(clean_message(message), pairs)
        expected = [(key, value.strip(" \t")) for key, value in pairs]
        assert trailers(full)[-len(pairs) :] == expected
        told = Git(None).run(["interpret-trailers", "--parse", "--no-divider"], stdin=full.encode())
        lines = [f"{key}: {value}".strip(" ") for key, value in expected]
        assert [line.strip(" ") for line in told.decode().split("\n")[:-1]][-len(pairs) :] == lines

    def test_several_lines_come_back(self) -> None:
        script = "set -e\n\tmake\n\n  install  \nRun: it"
        message = add_trailers("subject\n", [("Command", script), ("Container", "1234")])
        assert message == (
            "subject\n\nCommand: set -e\n \tmake\n   install\n Run: it\nContainer: 1234\n"
        )
        assert trailers(message) == [
            ("Command", "set -e\n\tmake\n  install\nRun: it"),
            ("Container", "1234"),
        ]

    def test_they_join_those_that_are_there(self) -> None:
        message = "subject\n\nbody\n\nSigned-off-by: A <a@x>\n(cherry picked from commit 1234)\n"
        more = add_trailers(message, [("Container", "1")])
        assert more == message + "Container: 1\n"
        assert trailers(more) == [("Signed-off-by", "A <a@x>"), ("Container", "1")]

    def test_none_added_changes_nothing(self) -> None:
        assert add_trailers("subject", []) == "subject"

    @pytest.mark.parametrize(
        "message",
        ["", "subject", "Key: value\n", "subject\n\nnot: all\nof this\n", "a\n\nKey : \n\nlast\n"],
    )
    def test_what_is_none(self, message: str) -> None:
        assert trailers(message) == []

    def test_an_empty_message_keeps_an_empty_title(self) -> None:
        message = add_trailers("", [("Container", "1")])
        assert message == "\nContainer: 1\n"
        assert trailers(message) == [("Container", "1")]


class TestSubjects:
    @given(message=st.text(st.sampled_from("ab \t\n\n\r\v\f\x85\xa0\u2028"), max_size=30))
    @example(message="One\ntwo\n\nthree")
    @settings(
        max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
    )
    def test_git_shows_the_same(self, stock: StockGit, message: str) -> None:
        oid = stock.commit(message)
        assert stock("log", "-1", "--format=%s", oid).decode() == subject(message) + "\n"


class TestCleaning:
    @given(text=st.text(st.sampled_from("a# \t\n\r\v\f\x1c\x85\xa0é\u2028"), max_size=40))
    @settings(max_examples=100, deadline=None)
    def test_git_does_the_same(self, text: str) -> None:
        for options, comment in ((["stripspace"], None), (["stripspace", "-s"], "#")):
            cleaned = clean_message(text, comment=comment)
            assert cleaned.encode() == Git(None).run(options, stdin=text.encode())
