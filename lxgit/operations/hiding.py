"""What hides history from Git: whoever deletes by what Git reaches would delete what is hidden."""

from __future__ import annotations

import os

from lxgit.errors import LxgitError
from lxgit.objects.filecheck import hiding_lines
from lxgit.objects.ids import hex_id
from lxgit.operations.garbage import unreached

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lxgit.objects.filecheck import HidingLine
    from lxgit.repository import Repository


class HiddenHistory(LxgitError):
    """A file has Git take a commit for another than it is."""


def hidden_history(repository: Repository) -> Iterator[HiddenHistory]:
    """What Git does not see as it is, an error each."""
    for line in hiding_lines(repository.git_dir, repository.objects):
        yield _error(repository, line)


def check_not_hidden(repository: Repository, tips: Sequence[str]) -> None:
    """Raise HiddenHistory where Git may not reach from `tips` what is there: call it first.

    They are words of git-rev-list(1), those that the deleting goes by. A shallow clone may have a
    commit's parent as the tip of another branch: that is reached.
    """
    lines = hiding_lines(repository.git_dir, repository.objects)
    hidden = {parent for line in lines for parent in line.hidden or ()}
    out_of_reach = unreached(repository, tips, hidden)  # one question, however many lines
    for line in lines:
        if line.hidden is None or not out_of_reach.isdisjoint(line.hidden):
            raise _error(repository, line)


def _error(repository: Repository, line: HidingLine) -> HiddenHistory:
    return HiddenHistory(
        f"{os.path.relpath(line.path, repository.path)} {line.told}",
        hint=f"take the line {hex_id(line.commit)} out of '{line.path}', and it is seen as it is",
    )
