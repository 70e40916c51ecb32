"""How revisions are written (gitrevisions(7)): a text taken apart, nothing looked up."""

from __future__ import annotations

import os
import re

from lxgit.tuples import NamedTuple

_BRACES = r"(?:\{[^}]*\}|[^{])"  # a step that does not end within @{…} or ^{…}
_PATH = re.compile(rf"((?:(?!:/){_BRACES})+):(/.*)", re.DOTALL)
_TAG = re.compile(r"([^:~^@{]+):([^:~^@{]+)", re.DOTALL)
_STEP = re.compile(r"[~^]|@\{")
_RANGE = re.compile(rf"((?:(?!\.\.){_BRACES})*?)(\.\.\.?)(.*)", re.DOTALL)
_PARENTS = re.compile(r"(.+?)(\^!|\^@|\^-[0-9]*)", re.DOTALL)
_UNSPEAKABLE = re.compile("[\0\ud800-\udc7f\udd00-\udfff]")  # no program takes it as an argument
_ID = re.compile("[0-9a-fA-F]{40}")  # Git believes that any such object exists


class RevisionPath(NamedTuple):
    """`REV:/path` in two; the path begins with its slash and is None where none was given."""

    revision: str
    path: bytes | None


def split_path(text: str) -> RevisionPath:
    """Split at the first `:/`, unless that is the beginning: a message search is all revision."""
    match = _PATH.fullmatch(text)
    if match is None:
        return RevisionPath(text, None)
    return RevisionPath(match[1], os.fsencode(match[2]))


def split_range(text: str) -> tuple[str, str, str] | None:
    """`A..B` or `A...B` in three, the dots between; None for what is no range."""
    match = None if text.startswith(":/") else _RANGE.fullmatch(text)
    return (match[1], match[2], match[3]) if match is not None else None


def split_tag(text: str) -> tuple[str, str] | None:
    """`base:v1` in two; None for what is not that, and that alone."""
    match = _TAG.fullmatch(text)
    return (match[1], match[2]) if match is not None else None


def split_parents(text: str) -> tuple[str, str] | None:
    """`A^!`, `A^@` and `A^-` in two; None for anything else."""
    match = _PARENTS.fullmatch(text)
    return (match[1], match[2]) if match is not None else None


def range_ends(text: str) -> tuple[str, ...]:
    """The names in a range; none in what is no range, nor in `..`, which is a directory too."""
    if text.startswith(":/") or not text.strip("."):
        return ()
    if text.startswith("^"):
        return (text[1:],)
    if step := split_parents(text):
        return step[:1]
    ends = split_range(text)
    return () if ends is None else (ends[0] or "HEAD", ends[2] or "HEAD")


def split_steps(text: str) -> tuple[str, str]:
    """`base~3` or `base@{1}` in two; nothing in the second for what has no steps."""
    match = None if text.startswith(":") else _STEP.search(text)
    at = len(text) if match is None else match.start()
    return text[:at], text[at:]


def is_for_git(text: str) -> bool:
    """Whether Git may know a revision of which lxgit knows nothing."""
    if not text or text.startswith(("-", "^")):
        return False
    return not (_UNSPEAKABLE.search(text) or _ID.fullmatch(text))
