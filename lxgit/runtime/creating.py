"""Making a container: its id, its name, its ids of the host, its directory."""

from __future__ import annotations

import contextlib
import os

from lxgit.beneath import remove_tree
from lxgit.errors import LxgitError
from lxgit.fsutil import write_atomic
from lxgit.runtime import idranges
from lxgit.runtime.config import encoded
from lxgit.runtime.containers import Container
from lxgit.runtime.index import container_names
from lxgit.runtime.names import check_name, unused_name
from lxgit.runtime.registering import ContainerNameTaken, give_name, has_entry, registered

_DRAWS = 9
"""So often a name is drawn until one is not refused."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from contextlib import AbstractContextManager
    from pathlib import Path

    from lxgit.runtime.config import Request


def create(
    containers: Path,
    request: Request,
    keeping: Callable[[str], AbstractContextManager[object]] = contextlib.nullcontext,
    check: Callable[[str], None] = check_name,
) -> Container:
    """Make a container: a new id, its name, its host ids, its directories but for `upper`.

    All else that it needs is made, or undone, by the context that `keeping` gives for its id:
    entered before anything shows of the container. `check` is called while nobody else gives out
    names, and raises where it may not have its name. Raises ContainerNameTaken,
    InvalidContainerName, IdsExhausted, InvalidIdMap.
    """
    if request.name is not None:
        check_name(request.name)
    with registered(containers):
        names = container_names(containers)
        link = containers / ".names" / (request.name or "")
        if request.name in names and has_entry(link, names[request.name]):
            raise ContainerNameTaken(
                f"a container is named '{request.name}' already",
                hint=f"another --name, or 'lxgit rm {request.name}' first",
            )
        if request.name is None:
            name = _drawn(names, check)
        else:
            check(name := request.name)
        identity = os.urandom(32).hex()
        with keeping(identity):
            path = containers / identity
            path.mkdir(mode=0o700)
            try:
                made = _create(path, identity, request, name)
            except BaseException:
                remove_tree(path)
                raise
    made.tell("create")
    return made


def _drawn(names: Collection[str], check: Callable[[str], None], draws: int = _DRAWS) -> str:
    """A name for one that got none, which hardly ever is refused: a branch may have it."""
    name = unused_name(names)
    try:
        check(name)
    except LxgitError:
        if draws == 1:
            raise
        return _drawn(names, check, draws - 1)
    return name


def _create(path: Path, identity: str, request: Request, name: str) -> Container:
    ranges = path.parent / ".ranges"
    idmap = None
    if not request.host_ids:
        idmap = idranges.allocate(ranges, identity, request.outside_range)
    config = request.given(identity, name, idmap)
    give_name(path.parent / ".names" / name, identity)
    write_atomic(path / "config.json", encoded(config), durable=False)
    return Container(path, config)
