"""`build`: a Dockerfile becomes commits, each instruction one, RUN in a container.

    build/        what a Dockerfile says, and what COPY takes of a context
    buildstages   which stages there are to be built, and what each begins with
    buildsteps    one instruction: found in the cache, or made a commit
    buildcache    the refs that have a step found again

Nothing that a build needs outlives it but its commits, which the refs of the cache keep: a build
that is killed at any moment leaves whole steps, and its container goes (runtime/lifetime.py).
"""

from __future__ import annotations

import io
import os
from contextlib import ExitStack, contextmanager

from lxgit.build.arguments import before_stages, unused
from lxgit.build.context import (
    MAX_DOCKERFILE,
    archive_context,
    directory_context,
    repository_context,
)
from lxgit.build.dockerfile import parse
from lxgit.build.taking import is_address, is_repository
from lxgit.errors import UsageError
from lxgit.objects.ids import hex_id
from lxgit.objects.imageconfig import architecture_name
from lxgit.objects.words import Room
from lxgit.operations.arriving import BUILD, arrive, ref_for
from lxgit.operations.buildcache import relied_on
from lxgit.operations.buildstages import Stages
from lxgit.operations.buildsteps import Site
from lxgit.operations.buildvalues import Built
from lxgit.operations.consolidating import consolidate
from lxgit.operations.ordinary import become_root
from lxgit.runtime import lifetime

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from lxgit.build.context import Context
    from lxgit.operations.buildvalues import BuildRequest, Teller
    from lxgit.operations.values import Identity, Streams
    from lxgit.progress import Progress
    from lxgit.repository import Repository


def build(
    repository: Repository,
    context: Context,
    request: BuildRequest,
    streams: Streams,
    teller: Teller,
    *,
    identity: Identity,
    progress: Progress,
) -> Built:
    """Build what a context's Dockerfile says, and give it its names.

    BadDockerfile says the line of a step that failed; what was made before it stays in the cache.
    NameHasCommits where a name is at a commit that somebody has made; NameTaken, InvalidName.
    """
    become_root()
    refs = {name: ref_for(repository, name) for name in request.names}
    dockerfile = parse(context.dockerfile)
    for warning in dockerfile.warnings:
        progress.warn(warning)
    machine, room = architecture_name(os.uname().machine), Room()
    outer = before_stages(dockerfile, request.arguments, machine, room)
    for name in unused(dockerfile, request.arguments):
        progress.warn(f"--build-arg {name}: no ARG of the Dockerfile has that name")
    with relied_on(repository), lifetime.owning(repository.scratch_dir) as owner:
        site = Site(
            repository,
            dockerfile,
            context,
            request,
            outer,
            room,
            owner,
            streams,
            teller,
            identity,
            progress,
        )
        try:
            oid = Stages(site).build()
        except BaseException:
            from lxgit.operations import leftovers

            leftovers.drop_owned(repository, owner.name)
            raise
        if context.host is not None and context.host.sockets:
            progress.warn(f"left out {len(context.host.sockets)} sockets of the build context")
        for name, ref in refs.items():
            arrive(
                repository,
                ref,
                oid,
                way=BUILD,
                source=name,
                force=request.force,
                identity=identity,
            )
    consolidate(repository, progress)
    return Built(hex_id(oid))


@contextmanager
def opened_context(
    repository: Repository,
    where: str,
    *,
    file: str | None = None,
    stdin: io.FileIO,
    proxies: Mapping[str, str],
    progress: Progress,
) -> Iterator[Context]:
    """What COPY may take, and the Dockerfile with it, as long as the context lasts.

    `where` is a directory, an address (http, https) of a Dockerfile or an archive, that of a Git
    repository, or `-`: a Dockerfile or an archive comes on `stdin`. `file` is the Dockerfile, `-`
    where that comes on `stdin`. UsageError, NoDockerfile, BadContext, BadIgnoreFile,
    DownloadFailed, CannotClone.
    """
    scratch = repository.scratch_dir
    with ExitStack() as stack:
        if where == "-" and file == "-":
            raise UsageError("standard input cannot be both", hint="lxgit build -f - DIRECTORY")
        if where == "-":
            opened = archive_context(None, stdin, scratch, file=file, progress=progress)
        elif is_repository(where) or is_address(where):
            opened = _fetched(repository, where, file, proxies, progress)
        elif file == "-":
            opened = directory_context(where, text=_text(stdin))
        else:
            opened = directory_context(where, file=file)
        yield stack.enter_context(opened)


@contextmanager
def _fetched(
    repository: Repository,
    address: str,
    file: str | None,
    proxies: Mapping[str, str],
    progress: Progress,
) -> Iterator[Context]:
    """The context behind an address."""
    scratch = repository.scratch_dir
    if is_repository(address):
        from lxgit.operations.cloning import cloned

        with (
            lifetime.owning(scratch) as place,
            cloned(address, place, proxies=proxies, progress=progress) as source,
        ):
            yield repository_context(source, file)
        return
    from lxgit.operations.download import downloaded

    with lifetime.owning(scratch) as place:
        own = place / "context"
        with downloaded(repository, address, proxies=proxies, progress=progress) as path:
            own.hardlink_to(path)  # its lock is free for the build's own ADD of that address
        with archive_context(own, None, scratch, file=file, progress=progress) as context:
            yield context


def _text(stream: io.FileIO) -> bytes:
    """A Dockerfile from a stream; of one that is too long, more than it may have."""
    return io.BufferedReader(stream).read(MAX_DOCKERFILE + 1)
