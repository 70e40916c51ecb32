"""RUN: a command in a container of the image so far, and the commit of what it has changed.

The container is as one of `run`, with its isolation, and the build's own: it ends and goes with
that (runtime/lifetime.py). What it has changed is committed as `commit` does it, to the ref of the
cache that names the step.
"""

from __future__ import annotations

import signal

from lxgit.errors import LxgitError
from lxgit.objects.ids import ObjectID, from_hex, hex_id
from lxgit.objects.refs import RefMoved
from lxgit.operations.committing import CommitRequest, commit_to
from lxgit.operations.creating import RunRequest
from lxgit.operations.destination import Destination
from lxgit.operations.healthwishes import WantedHealth
from lxgit.operations.launching import ran
from lxgit.operations.limiting import WantedLimits, WantedSecurity
from lxgit.operations.wantednetwork import WantedNetwork
from lxgit.runtime.containers import edited
from lxgit.runtime.limits import DEFAULT_SHM
from lxgit.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lxgit.objects.imageconfig import ImageConfig
    from lxgit.operations.buildsteps import Site
    from lxgit.operations.buildvalues import BuildRequest
    from lxgit.operations.values import Identity
    from lxgit.operations.volumes import Mount


class CommandFailed(LxgitError):
    """What RUN has run ended with another code than 0."""


class RunStep(NamedTuple):
    """What RUN asks for: `environment` is what ARG says, `owner` the build (see ownership).

    `config` is what the commit has.
    """

    parent: ObjectID
    config: ImageConfig
    command: tuple[str, ...]
    environment: tuple[str, ...]
    network: str | None
    mounts: tuple[Mount, ...]
    owner: str


def run_step(site: Site, step: RunStep, ref: str, message: str, identity: Identity) -> ObjectID:
    """Run the command and commit; CommandFailed, and the errors of `run` and `commit`."""
    repository, progress = site.repository, site.progress
    with ran(
        repository, _request(step, site.request), site.streams, identity=identity, progress=progress
    ) as (
        container,
        code,
    ):
        if code:
            raise CommandFailed(f"the command {_ending(code)}", hint=_hint(code))
        request = CommitRequest(allow_empty=True, config=step.config)
        destination = Destination(ref, repository.refs.read(ref), None)
        try:
            with edited(container) as now:
                made = commit_to(repository, now, destination, request, message, identity, progress)
        except RefMoved as moved:  # to what another build has made of the same step meanwhile
            if moved.current is None:
                raise
            return moved.current
    return from_hex(made.oid)


def _request(step: RunStep, wanted: BuildRequest) -> RunRequest:
    from lxgit.operations.volumes import StorageRequest

    return RunRequest(
        image=hex_id(step.parent),
        command=step.command,
        entrypoint="",
        environment=step.environment,
        networking=WantedNetwork((step.network,) if step.network else (), add_host=wanted.hosts),
        limits=WantedLimits(memory=wanted.memory),
        shm_size=wanted.shm_size or DEFAULT_SHM,
        security=WantedSecurity(ulimits=wanted.ulimits),
        storage=StorageRequest(mounts=step.mounts) if step.mounts else None,
        health=WantedHealth(none=True),
        owner=step.owner,
    )


def _ending(code: int) -> str:
    if code > 128 and code - 128 in set(signal.Signals):
        return f"was ended by {signal.Signals(code - 128).name} ({code})"
    return f"exited with {code}"


def _hint(code: int) -> str:
    if code == 127:
        return "a program that it names is not in the image"
    return "the steps before it are kept: the next build goes on from there"
