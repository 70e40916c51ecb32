"""Who commits: `GIT_AUTHOR_*` and `GIT_COMMITTER_*`, else the store's config, else user@host."""

from __future__ import annotations

import os
import time

from lxgit.cli import environment
from lxgit.cli.environment import variable
from lxgit.errors import UsageError
from lxgit.lean import pattern
from lxgit.operations.values import Identity, Signature

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_PERSON = pattern(r"(?P<name>[^<>]*)<(?P<email>[^<>]*)>\s*")
_GIT_DATE = pattern(r"@?(?P<seconds>[0-9]{1,18})(?: (?P<sign>[+-])(?P<hh>\d\d)(?P<mm>\d\d))?")
_CRUD = ".,:;<>\"'\\ \t\r\n\v\f\0"  # what Git strips from the ends of a name (ident.c, crud)


def identity(
    configured: Callable[[str], str | None], *, author: str | None = None, now: float | None = None
) -> Identity:
    """Author and committer; `author` is `Name <email>`, as `--author` takes it.

    `configured` answers for a key of the store's Git configuration; `now` is in seconds since 1970.
    UsageError for an author or a date that cannot be read.
    """
    seconds = int(time.time() if now is None else now)
    committer = _signature("COMMITTER", configured, seconds)
    if author is None:
        return Identity(_signature("AUTHOR", configured, seconds), committer)
    name, email = _person(author)
    when, offset = _when("GIT_AUTHOR_DATE", seconds)
    return Identity(Signature(name, email, when, offset), committer)


def _signature(role: str, configured: Callable[[str], str | None], now: int) -> Signature:
    name = (variable(f"GIT_{role}_NAME") or configured("user.name") or "").strip(_CRUD)
    email = (variable(f"GIT_{role}_EMAIL") or configured("user.email") or "").strip(_CRUD)
    when, offset = _when(f"GIT_{role}_DATE", now)
    return Signature(name or _user(), email or f"{_user()}@{os.uname().nodename}", when, offset)


def _user() -> str:
    import pwd

    try:
        return pwd.getpwuid(environment.USER).pw_name
    except KeyError:
        return str(environment.USER)


def _person(text: str) -> tuple[str, str]:
    """Name and address; Docker takes a bare name."""
    match = _PERSON.fullmatch(text)
    name, email = (match["name"], match["email"]) if match else (text, "")
    if not name.strip(_CRUD):
        raise UsageError(f"'{text}' names no author", hint='--author "Name <email>"')
    return name.strip(), email.strip()


def _when(name: str, now: int) -> tuple[int, int]:
    """Seconds since 1970 and minutes east of Greenwich, from a variable or of now."""
    text = variable(name)
    if text is None:
        return now, _local_offset(now)
    match = _GIT_DATE.fullmatch(text)
    if match is None:
        return _standard_date(name, text)
    seconds = int(match["seconds"])
    if match["sign"] is None:
        return seconds, 0
    offset = int(match["hh"]) * 60 + int(match["mm"])
    return seconds, -offset if match["sign"] == "-" else offset


def _standard_date(name: str, text: str) -> tuple[int, int]:
    """RFC 2822 or ISO 8601 (git-commit, DATE FORMATS)."""
    from datetime import datetime, timedelta
    from email.utils import parsedate_to_datetime

    for read in (datetime.fromisoformat, parsedate_to_datetime):
        try:
            moment = read(text)
            if moment.tzinfo is None:
                moment = moment.astimezone()
        except (ValueError, OverflowError):  # no date, or none that has a local time
            continue
        offset = moment.utcoffset() or timedelta()
        return int(moment.timestamp()), int(offset.total_seconds()) // 60
    raise UsageError(
        f"{name} is not a date: '{text}'", hint="for example 2026-11-24T13:30:00+01:00"
    )


def _local_offset(seconds: int) -> int:
    return time.localtime(seconds).tm_gmtoff // 60
