r"""Words of a command in the notation of a shell (POSIX.1-2024, XCU 2.2), and back.

A word that is printable is quoted with `'`, if it has to be; any other, with a newline for example,
stands in `$'…'`: `$'a\nb'`. What is not printable is bytes there, in octal, of UTF-8 or of what is
none (PEP 383), so a line of words is one line of text, whatever is in them.
"""

from __future__ import annotations

import re
import shlex

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_LETTERS = dict(zip(b"abefnrtv\\'\"", b"\a\b\x1b\f\n\r\t\v\\'\"", strict=True))
_ESCAPES = {chr(meant): f"\\{chr(letter)}" for letter, meant in _LETTERS.items()} | {'"': '"'}
_QUOTED = r"""'[^']*+'|"(?:[^"\\]|\\.)*+"|\\.|\$'((?:[^'\\]|\\.)*+)('?)"""
_ESCAPED = rb"\\(?:([0-7]{1,3})|x([0-9A-Fa-f]{1,2})|c(.)|(.))"


def shell_line(words: Iterable[str]) -> str:
    """The words as a shell takes them, on one line."""
    return " ".join(map(_quoted, words))


def shell_words(line: str) -> list[str]:
    """The words of a line, comments and expansions as they are. ValueError for half a quote."""
    return shlex.split(re.sub(_QUOTED, _without_dollar, line, flags=re.DOTALL))


def _quoted(word: str) -> str:
    if word.isprintable():
        return shlex.quote(word)
    return f"$'{''.join(map(_escaped, word))}'"


def _escaped(letter: str) -> str:
    if letter in _ESCAPES:
        return _ESCAPES[letter]
    if letter.isprintable():
        return letter
    return "".join(f"\\{byte:03o}" for byte in letter.encode("utf-8", "surrogateescape"))


def _without_dollar(quoted: re.Match[str]) -> str:
    """The same in a way that shlex knows; any other, and half a quote, is left to it."""
    if quoted[1] is None:
        return quoted[0]
    if not quoted[2]:
        return "'"
    written = quoted[1].encode("utf-8", "surrogateescape")
    meant = re.sub(_ESCAPED, _meant, written, flags=re.DOTALL)
    return shlex.quote(meant.decode("utf-8", "surrogateescape"))


def _meant(escaped: re.Match[bytes]) -> bytes:
    octal, hexadecimal, control, letter = escaped.groups()
    if letter is not None:
        known = _LETTERS.get(ord(letter))
        return escaped[0] if known is None else bytes([known])
    if control is not None:
        return bytes([ord(control) & 0x1F])
    return bytes([int(octal, 8) & 0xFF if octal else int(hexadecimal, 16)])
