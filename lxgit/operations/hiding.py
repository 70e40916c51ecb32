"""What hides history from Git: whoever deletes by what Git reaches would delete what is hidden."""

from __future__ import annotations

import os

from lxgit.errors import LxgitError
from lxgit.objects.filecheck import hiding_files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from lxgit.repository import Repository


class HiddenHistory(LxgitError):
    """A file has Git take a commit for another than it is."""


def hidden_history(repository: Repository) -> Iterator[HiddenHistory]:
    """What Git does not see as it is, an error each."""
    for path, told in hiding_files(repository.git_dir, repository.objects):
        name = os.path.relpath(path, repository.path)
        yield HiddenHistory(f"{name} {told}", hint=f"remove '{path}', and all is shown as it is")


def check_not_hidden(repository: Repository) -> None:
    """Raise the first HiddenHistory: call it before Git is asked what may go."""
    for hidden in hidden_history(repository):
        raise hidden
