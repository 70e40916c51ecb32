"""Images that are wanted and not here: `run`, `create` and FROM have them pulled, as Docker does.

A name that is nearly one of those that are here is a slip, and nothing is asked for it; nor for
what looks like an id. Without a network it comes out after seconds, as an error about the name.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from lxgit.errors import LxgitError, UsageError
from lxgit.objects.refnames import BRANCHES, TAGS
from lxgit.objects.revisions import UnknownRevision
from lxgit.oci.reference import BadReference, parse_reference, split_host
from lxgit.oci.skopeo import AccessDenied
from lxgit.operations.arriving import PULL
from lxgit.operations.lookup import classify, find_commit
from lxgit.operations.pulling import PullRequest, pull
from lxgit.tuples import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lxgit.objects.ids import ObjectID
    from lxgit.oci.reference import Reference
    from lxgit.operations.pulling import Tell
    from lxgit.operations.values import Identity
    from lxgit.progress import Progress
    from lxgit.repository import Repository

MISSING, ALWAYS, NEVER = POLICIES = ("missing", "always", "never")
"""When images are pulled."""

_ANSWER_WITHIN = 10  # seconds: somebody waits for a container, and may have mistyped its image
_LIKE_AN_ID = re.compile(r"(?=.*[0-9])[0-9a-f]{7,64}")


class Pulls(NamedTuple):
    """When images are pulled, and how; `environment` is as for `pull`."""

    policy: str
    environment: Mapping[str, str]
    tell: Tell


def says_absent(repository: Repository, error: LxgitError, revision: str) -> bool:
    """Whether an error is that a revision is not here, and not that something else is not."""
    if not isinstance(error, UnknownRevision):
        return False
    try:
        classify(repository, revision)
    except UnknownRevision:
        return True
    return False


def found_or_pulled(
    repository: Repository, name: str, how: Pulls, *, identity: Identity, progress: Progress
) -> ObjectID:
    """The commit of an image. Errors as `named_or_pulled` and `find_commit`."""
    if how.policy != ALWAYS:
        try:
            return find_commit(repository, name)
        except UnknownRevision as error:
            why = error
    else:
        why = None
    return find_commit(
        repository, pulled(repository, name, how, why, identity=identity, progress=progress)
    )


def pulled(
    repository: Repository,
    name: str,
    how: Pulls,
    why: LxgitError | None,
    *,
    identity: Identity,
    progress: Progress,
) -> str:
    """The name that an image has here, which was pulled, unless it was here by another name.

    `why` is the error that says that it is not here, None where it is pulled all the same: it is
    raised where nothing is to be asked for, and told with what a registry has answered. Without one
    errors are those of `pull`.
    """
    reference = _reference(repository, name, how, why)
    if reference is None:
        assert why is not None
        raise why
    if why is not None and repository.revisions.find_ref(reference.local_name) is not None:
        return reference.local_name
    if why is not None:
        how.tell(f"Unable to find image '{_shown(reference)}' locally")
    request = PullRequest(
        name,
        environment=how.environment,
        answer_within=_ANSWER_WITHIN,
    )
    try:
        return pull(repository, request, how.tell, identity=identity, progress=progress).name
    except LxgitError as error:
        if why is None:
            raise
        hint = error.hint if isinstance(error, AccessDenied) else why.hint
        raise UnknownRevision(
            f"there is no '{name}' here, and {error.message}", hint=hint or ""
        ) from None


def _reference(
    repository: Repository, name: str, how: Pulls, why: LxgitError | None
) -> Reference | None:
    """What a registry is asked for; None for nothing."""
    if why is not None and (how.policy == NEVER or _LIKE_AN_ID.fullmatch(name)):
        return None
    try:
        reference = parse_reference(name)
    except BadReference as error:
        if why is not None:
            return None
        raise UsageError(error.message, hint="--pull always takes a name of a registry") from None
    nearest = why.nearest if isinstance(why, UnknownRevision) else ()
    _, path = split_host(name)
    if nearest and path == name and not _has_been_pulled(repository, reference):
        return None
    return reference


def _has_been_pulled(repository: Repository, reference: Reference) -> bool:
    """Whether something of that repository has come from a registry: another tag of it is meant."""
    image = reference._replace(tag="", digest="").local_name
    refs = repository.refs
    names = [f"{BRANCHES}{image}", *refs.list(f"{TAGS}{image}/")]
    return any(
        entry.message.startswith(f"{PULL}: ") for name in names for entry in refs.reflog(name)
    )


def _shown(reference: Reference) -> str:
    """With its tag, as Docker has it."""
    name = reference.local_name
    return name if ":" in name else f"{name}:latest"
