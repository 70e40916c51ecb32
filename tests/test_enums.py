"""What an Enum of lxgit's has of that of the standard library."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Any

import pytest

from lxgit import enums

if TYPE_CHECKING:
    from collections.abc import Callable


class Ours(enums.Enum):
    """What becomes of a path."""

    ADDED = "A"
    GONE = "D"

    @property
    def word(self) -> str:
        return self.name.lower()


class Theirs(enum.Enum):
    """What becomes of a path."""

    ADDED = "A"
    GONE = "D"

    @property
    def word(self) -> str:
        return self.name.lower()


@pytest.mark.parametrize(
    "ask",
    [
        lambda kind: [(member.name, member.value, member.word) for member in kind],
        lambda kind: kind("D") is kind["GONE"] is kind.GONE,
        lambda kind: (kind.ADDED == kind.GONE, kind.ADDED == "A", len({*kind, kind.ADDED})),
        lambda kind: repr(kind.ADDED).replace(kind.__name__, ""),
        lambda kind: isinstance(kind.ADDED, kind),
        lambda kind: kind.__doc__,
    ],
)
def test_it_answers_as_the_standard_library_does(ask: Callable[[Any], Any]) -> None:
    assert ask(Ours) == ask(Theirs)


@pytest.mark.parametrize("kind", [Ours, Theirs])
def test_what_has_no_member_is_an_error(kind: Any) -> None:
    with pytest.raises(ValueError, match="'M'"):
        kind("M")
    with pytest.raises(KeyError):
        kind["MOVED"]
