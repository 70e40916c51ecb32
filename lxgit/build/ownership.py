"""`--chown` and `--chmod` of COPY and ADD."""

from __future__ import annotations

import re

from lxgit.build.sources import resolved
from lxgit.errors import LxgitError
from lxgit.objects.accounts import MAX_SIZE, account_id, account_lines
from lxgit.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lxgit.build.sources import Tree

_OCTAL = re.compile(r"0*[0-7]{1,4}")
_CLAUSE = re.compile(r"([ugoa]*)((?:[-+=][rwxXst]*)+)")
_ACTION = re.compile(r"([-+=])([rwxXst]*)")
_SHIFTS = {"u": 6, "g": 3, "o": 0}
_BITS = {"r": 4, "w": 2, "x": 1}


class NoSuchOwner(LxgitError):
    """`--chown` names a user or a group that the image has not."""


class BadMode(LxgitError):
    """`--chmod` says no mode."""


class Owner(NamedTuple):
    """Ids as the image has them."""

    uid: int
    gid: int


def owner_of(text: str, image: Tree) -> Owner:
    """`USER[:GROUP]`, each a name of the image's passwd(5) and group(5), or a number.

    Without a group it is the user's own, or that of the same number. NoSuchOwner.
    """
    name, colon, group = text.partition(":")
    uid, gid = 0, 0
    if name:
        uid, gid = _user(name, image)
    if colon and group:
        gid = _group(group, image)
    return Owner(uid, gid)


def _user(name: str, image: Tree) -> tuple[int, int]:
    if (number := account_id(name)) is not None:
        return number, number
    for login, _, uid, gid, *_ in _lines(image, b"etc/passwd", 4):
        ids = account_id(uid), account_id(gid)
        if login == name and ids[0] is not None and ids[1] is not None:
            return ids[0], ids[1]
    raise NoSuchOwner(
        f"the image has no user '{name[:80]}'", hint="a number needs no entry in passwd"
    )


def _group(name: str, image: Tree) -> int:
    if (number := account_id(name)) is not None:
        return number
    for group, _, gid, *_ in _lines(image, b"etc/group", 3):
        found = account_id(gid)
        if group == name and found is not None:
            return found
    raise NoSuchOwner(
        f"the image has no group '{name[:80]}'", hint="a number needs no entry in group"
    )


def _lines(image: Tree, path: bytes, count: int) -> Iterator[list[str]]:
    """The fields of each line that has at least so many; none where there is no such file."""
    node = image.find(resolved(image, path))
    if node is not None and node.content is not None and node.content.size <= MAX_SIZE:
        yield from account_lines(node.content.whole(), count)


def mode_change(text: str) -> Callable[[int, bool], int]:
    """What `--chmod` makes of a mode, given whether it is that of a directory.

    An octal number, or chmod(1)'s letters: `u=rwX,go=rX`, as if no umask were set. BadMode.
    """
    if _OCTAL.fullmatch(text):
        fixed = int(text, 8)
        return lambda _, __: fixed
    clauses = [_CLAUSE.fullmatch(part) for part in text.split(",")]
    if None in clauses:
        raise BadMode(f"'{text}' is no mode", hint="--chmod=644, or --chmod=u=rwX,go=rX")
    actions = [
        (clause[1], *action.groups())
        for clause in clauses
        if clause is not None
        for action in _ACTION.finditer(clause[2])
    ]

    def change(mode: int, is_directory: bool) -> int:  # noqa: FBT001  # as the other one
        for who, operator, letters in actions:
            mode = _changed(mode, who, operator, letters, is_directory=is_directory)
        return mode

    return change


def _changed(mode: int, who: str, operator: str, letters: str, *, is_directory: bool) -> int:
    """One action of chmod(1)."""
    who = "ugo" if not who or "a" in who else who
    bits = sum(_BITS.get(letter, 0) for letter in set(letters))
    if "X" in letters and (is_directory or mode & 0o111):
        bits |= _BITS["x"]
    value = 0
    touched = 0
    for one in who:
        value |= bits << _SHIFTS[one]
        touched |= 7 << _SHIFTS[one]
    special = {"u": 0o4000, "g": 0o2000}
    if "s" in letters:
        value |= sum(special.get(one, 0) for one in set(who))
    if "t" in letters:
        value |= 0o1000
    if operator == "+":
        return mode | value
    if operator == "-":
        return mode & ~value
    cleared = touched | sum(special.get(one, 0) for one in set(who))
    return mode & ~cleared | value
