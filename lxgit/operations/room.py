"""Whether there is room for branches and tags that come back."""

from __future__ import annotations

from lxgit.objects.refnames import TAGS, short_name
from lxgit.objects.refs import RefConflict
from lxgit.operations.naming import NameTaken, namesake, namesake_ref

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from lxgit.repository import Repository


def check_room(repository: Repository, refs: Iterable[str]) -> None:
    """RefConflict where one cannot be beside what is there; NameTaken where that has its name.

    Which may be a container. A branch or tag in the way was made by stock Git: what lxgit made is
    undone first. So would `branch -m` be.
    """
    for ref in refs:
        short = short_name(ref)
        if others := repository.refs.beside(ref):
            raise RefConflict(
                f"'{short}' cannot be back beside '{short_name(others[0])}',"
                " which lxgit did not make",
                hint=_making_room(repository, others[0]),
            )
        if (other := namesake(repository, ref)) is not None:
            hint = f"'lxgit rename {short} OTHER' makes room"
            if other != "container":
                hint = _making_room(repository, namesake_ref(ref))
            raise NameTaken(f"'{short}' cannot be back: that is a {other} now", hint=hint)


def _making_room(repository: Repository, ref: str) -> str:
    """How a branch or a tag gets another name without a further operation."""
    short, git = short_name(ref), f"git --git-dir {repository.git_dir}"
    if ref.startswith(TAGS):
        return f"'{git} tag OTHER {short}', then '{git} tag -d {short}' makes room"
    return f"'{git} branch -m {short} OTHER' makes room"
