"""Images as Docker lists and removes them: a row for each branch and tag."""

from __future__ import annotations

from lxgit.errors import LxgitError
from lxgit.objects.history import walk
from lxgit.objects.ids import hex_id
from lxgit.objects.refnames import BRANCHES, LATEST, TAGS, image_and_tag, short_name
from lxgit.operations.attached import containers_on
from lxgit.operations.branches import BranchInUse, branch_tip, check_not_head, drop_branch
from lxgit.operations.lookup import IsContainer, find_commit, read_commit
from lxgit.operations.naming import branch_ref, tag_ref
from lxgit.operations.tags import delete_tag, list_tags
from lxgit.operations.values import ImageRow

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from lxgit.objects.commits import Commit
    from lxgit.objects.ids import ObjectID
    from lxgit.operations.values import Identity, RemovedRef
    from lxgit.repository import Repository


class SeveralNames(LxgitError):
    """An id that more than one branch or tag points at."""


class NoName(LxgitError):
    """An id that no branch or tag points at."""


def list_images(repository: Repository) -> list[ImageRow]:
    """A row for each branch (`latest`) and each tag, split at its last slash; the newest first.

    A tag of what is no commit is none of an image's. A damaged image has a `fault`, and comes last.
    """
    named = {**repository.refs.list(BRANCHES), **repository.refs.list(TAGS)}
    rows = [row for ref, oid in named.items() if (row := _row(repository, ref, oid)) is not None]
    return sorted(rows, key=lambda row: (-row.created, row.repository or "", row.tag))


def _row(repository: Repository, ref: str, oid: ObjectID) -> ImageRow | None:
    image, tag = _shown(ref)
    try:
        commit = repository.revisions.peeled(oid)
        if commit is None:
            return None
        created = read_commit(repository, commit).committer.time
    except LxgitError as error:
        return ImageRow(image or None, tag, hex_id(oid), 0, fault=error.message)
    return ImageRow(image or None, tag, hex_id(commit), created)


def _shown(ref: str) -> tuple[str, str]:
    """Image and tag, as Docker calls them."""
    if ref.startswith(BRANCHES):
        return ref.removeprefix(BRANCHES), LATEST
    return image_and_tag(ref.removeprefix(TAGS))


def names_by_id(rows: Iterable[ImageRow]) -> dict[str, list[str]]:
    """The names of each commit that has one, as `images` lists them: `base:latest`."""
    names: dict[str, list[str]] = {}
    for row in rows:
        name = f"{row.repository}:{row.tag}" if row.repository is not None else row.tag
        names.setdefault(row.oid, []).append(name)
    return names


def history_of(
    repository: Repository, rows: Iterable[ImageRow], *options: str
) -> Iterator[tuple[ObjectID, Commit]]:
    """The commits that one of the images comes from, or a remote's branch, as `walk` has them.

    Those that are damaged, of which Git would show none, are passed over.
    """
    tips = {row.oid: None for row in rows if not row.fault}
    given = "".join(f"{oid}\n" for oid in tips).encode()  # more than arguments may be
    return walk(repository.git, (*options, "--stdin", "--remotes"), stdin=given)


def remove_image(
    repository: Repository, name: str, *, force: bool, identity: Identity
) -> list[RemovedRef]:
    """Delete the branch or tag that a name means, or all those of an id if all of them may go.

    HEAD's branch never goes. Without `force` neither does a branch that a container is on, nor what
    an id means when it has several names.
    """
    refs = _refs_of(repository, name, force=force)
    for ref in refs:
        _check_removable(repository, ref, force=force)
    return [_remove(repository, ref, identity) for ref in refs]


def _remove(repository: Repository, ref: str, identity: Identity) -> RemovedRef:
    if ref.startswith(TAGS):
        return delete_tag(repository, ref.removeprefix(TAGS), identity=identity)
    name = ref.removeprefix(BRANCHES)
    return drop_branch(repository, name, branch_tip(repository, name), identity)


def _refs_of(repository: Repository, name: str, *, force: bool) -> list[str]:
    """The full names that `NAME[:TAG]` or an id means."""
    wanted = (branch_ref(name), tag_ref(name))
    for ref in wanted[:1] if name.endswith(f":{LATEST}") else wanted:
        if repository.refs.read(ref) is not None:
            return [ref]
    try:
        oid = find_commit(repository, name)
    except IsContainer as error:
        error.hint = f"'lxgit rm {name}' deletes it"
        raise
    refs = _pointing_at(repository, oid)
    if not refs:
        raise NoName(
            f"no branch or tag points at {hex_id(oid)[:12]}",
            hint="'lxgit gc' drops in time what none reaches, 'lxgit gc --now' at once",
        )
    if len(refs) > 1 and not force:
        names = ", ".join(short_name(ref) for ref in refs)
        raise SeveralNames(
            f"{hex_id(oid)[:12]} has several names: {names}",
            hint="-f deletes them all",
        )
    return refs


def _pointing_at(repository: Repository, oid: ObjectID) -> list[str]:
    branches = [ref for ref, tip in repository.refs.list(BRANCHES).items() if tip == oid]
    return branches + [TAGS + tag.name for tag in list_tags(repository) if tag.oid == hex_id(oid)]


def _check_removable(repository: Repository, ref: str, *, force: bool) -> None:
    if not ref.startswith(BRANCHES):
        return
    name = ref.removeprefix(BRANCHES)
    check_not_head(repository, name)
    containers = containers_on(repository, name)
    if containers and not force:
        ids = ", ".join(container.config.name for container in containers)
        raise BranchInUse(
            f"'{name}' has containers: {ids}", hint="-f deletes the name all the same"
        )
