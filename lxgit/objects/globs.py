r"""Parts of a text that a pattern of a shell fits: `?` is any letter, `*` any letters, `\x` is x.

Whoever writes a pattern may mean harm, so no regular expression has a `*` here: what stands between
the stars is looked for one after the other. That takes a time that grows with the text times the
longest of those pieces, and no faster: who takes patterns from strangers bounds their length.
"""

from __future__ import annotations

import re


class Glob:
    """One pattern. `longest` says which of several fitting parts is meant, all else being equal."""

    def __init__(self, pattern: str, *, longest: bool) -> None:
        self._pieces = _pieces(pattern)
        self._longest = longest

    def without_beginning(self, text: str) -> str:
        """The text without what fits at its beginning."""
        end = self._end(text, 0)
        return text if end is None else text[end:]

    def without_end(self, text: str) -> str:
        """The text without what fits at its end."""
        backwards = Glob("", longest=self._longest)
        backwards._pieces = [piece[::-1] for piece in reversed(self._pieces)]
        return backwards.without_beginning(text[::-1])[::-1]

    def replaced(self, text: str, other: str, *, everywhere: bool, most: int) -> str:
        """The text with `other` where the pattern fits first, or wherever it does.

        Where that has more than `most` letters it goes no further: there are more than those.
        """
        if self._pieces == [[]]:
            return text
        first = _expression(self._pieces[0])
        made: list[str] = []
        done = length = 0
        while length <= most and (match := first.search(text, done)) is not None:
            end = self._end(text, match.start())
            if end is None:  # what is not here is not further on
                break
            made += (text[done : match.start()], other)
            length += match.start() - done + len(other)
            done = end
            if not everywhere or done == len(text):
                break
        return "".join((*made, text[done:]))

    def _end(self, text: str, begin: int) -> int | None:
        """Where a part ends that begins there and fits; None where none does."""
        match = _expression(self._pieces[0]).match(text, begin)
        if match is None:
            return None
        end = match.end()
        for piece in self._pieces[1:-1]:
            match = _expression(piece).search(text, end)
            if match is None:
                return None
            end = match.end()
        return end if len(self._pieces) == 1 else self._end_of_last(text, end)

    def _end_of_last(self, text: str, begin: int) -> int | None:
        piece = self._pieces[-1]
        if not self._longest:
            match = _expression(piece).search(text, begin)
            return None if match is None else match.end()
        match = _expression(piece[::-1]).search(text[begin:][::-1])
        return None if match is None else len(text) - match.start()


def _pieces(pattern: str) -> list[list[str]]:
    """What stands between the stars: letters, and `""` for any."""
    pieces: list[list[str]] = [[]]
    letters = iter(pattern)
    for letter in letters:
        if letter == "*":
            pieces.append([])
        elif letter == "?":
            pieces[-1].append("")
        else:
            pieces[-1].append(next(letters, letter) if letter == "\\" else letter)
    return pieces


def _expression(piece: list[str]) -> re.Pattern[str]:
    return re.compile("".join(re.escape(letter) if letter else "." for letter in piece), re.DOTALL)
