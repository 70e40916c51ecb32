"""Where containers stand, for `undo`: what it is now, and back to what it was.

Of most that moves a container only its commit and branch change: its files stay, and after the undo
of a commit they are changes again. Where the files were moved too, they are put back as `checkout`
would; what the container has changed since then must not be lost.
"""

from __future__ import annotations

from lxgit.errors import LxgitError
from lxgit.objects.ids import from_hex, hex_id
from lxgit.objects.merging import changes_of
from lxgit.objects.operationlog import Stand
from lxgit.operations.attached import record_container
from lxgit.operations.lookup import find_container, image_of
from lxgit.operations.pins import keep_commit, pin_commit
from lxgit.operations.placing import Aim, check_stopped, keep, place, taken
from lxgit.operations.worktree import open_work_tree
from lxgit.records import replace
from lxgit.runtime.containers import BrokenContainer, edited, load

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lxgit.operations.values import Identity
    from lxgit.operations.worktree import WorkTree
    from lxgit.progress import Progress
    from lxgit.repository import Repository
    from lxgit.runtime.containers import Container


class ChangedSince(LxgitError):
    """A container has changed since its files were moved."""


def container_of(repository: Repository, identity: str) -> Container | None:
    """The container of that id, unless it has gone."""
    try:
        return load(repository.containers_dir, identity)
    except (FileNotFoundError, BrokenContainer):
        return None


def stand_now(
    repository: Repository, container: Container, before: Stand, after: Stand
) -> Stand | None:
    """Which of two stands it is, or another. ContainerRuns.

    None: it has changed since its files were moved to where `before` says.
    """
    names = Stand(container.config.commit, container.config.branch)
    if before.shown is None:
        return names
    check_stopped(container)
    with open_work_tree(repository, container) as tree:
        return next((one for one in (after, before) if _is_at(repository, tree, one)), None)


def _is_at(repository: Repository, tree: WorkTree, stand: Stand) -> bool:
    config = tree.container.config
    if (config.commit, config.branch) != (stand.commit, stand.branch):
        return False
    assert stand.shown is not None
    shown = from_hex(stand.shown)
    if shown not in repository.objects:  # gc has dropped it: nobody can tell
        return False
    return not changes_of(image_of(repository, shown), tree.image)


def put_back(
    repository: Repository, identity: str, before: Stand, wanted: Stand, who: Identity
) -> None:
    """Have a container stand on another commit or branch; what it is mounted on stays.

    So a container whose commit is undone has the same changes to commit again. ChangedSince unless
    it stands on the commit and the branch of `before`; NoSuchContainer.
    """
    with edited(find_container(repository, identity)) as now:
        if (now.config.commit, now.config.branch) != (before.commit, before.branch):
            raise changed_since(now)
        _stand_on(repository, now, wanted, who)


def _stand_on(
    repository: Repository, container: Container, wanted: Stand, identity: Identity
) -> None:
    below, before = container.mounted, container.config
    config = replace(
        before,
        commit=wanted.commit,
        branch=wanted.branch,
        base=None if below == wanted.commit else below,
    )
    if before.base is not None:  # else `commit` is what it is mounted on
        keep_commit(repository, container.id, from_hex(before.commit), identity, "before undo")
    pin_commit(repository, container, wanted.commit, identity, base=below)
    _have_upper(repository, container)
    record_container(repository, container, config, identity)
    container.configured(config)
    pin_commit(repository, container, wanted.commit, identity, base=config.base)


def _have_upper(repository: Repository, container: Container) -> None:
    """Make the upper directory, empty: without one, a container stands on its own commit."""
    if container.upper.exists():
        return
    from lxgit.runtime.starting import make_upper

    root = image_of(repository, from_hex(container.mounted)).root()
    make_upper(container, root.metadata)


def show_again(
    repository: Repository,
    identity: str,
    before: Stand,
    wanted: Stand,
    message: str,
    *,
    force: bool,
    who: Identity,
    progress: Progress,
) -> str | None:
    """Have a container stand and show what it did; ChangedSince unless it is as `before` says.

    With `force`, what it has changed since is kept, as a commit whose id is returned.
    ContainerRuns.
    """
    assert before.shown is not None
    assert wanted.shown is not None
    with taken(repository, identity) as (tree, writer):
        was, kept = from_hex(before.shown), None
        if not _is_at(repository, tree, before):
            if not force:
                raise changed_since(tree.container)
            was = keep(repository, tree, writer, message.partition(":")[0], who)
            kept = hex_id(was)
        aim = Aim(
            from_hex(wanted.commit),
            wanted.branch,
            _image(tree.container, wanted),
            from_hex(wanted.shown) if wanted.shown != wanted.commit else None,
        )
        place(repository, tree, aim, was, message, identity=who, progress=progress)
    return kept


def changed_since(container: Container) -> ChangedSince:
    """What says that undoing or redoing would lose what a container has changed."""
    return ChangedSince(
        f"container '{container.config.name}' has changed since then",
        hint="with --force it is put back all the same, and what it is now is kept as a commit",
    )


def _image(container: Container, wanted: Stand) -> str:
    """The image as `ps` shows it."""
    config = container.config
    if (config.commit, config.branch) == (wanted.commit, wanted.branch):
        return config.image
    return f"{wanted.branch}:latest" if wanted.branch else wanted.commit[:12]
