"""Looking at history: log, show, ls, rev-parse. Nothing here writes."""

from __future__ import annotations

from lxgit.errors import LxgitError


class NoCommits(LxgitError):
    """There is no history yet."""
