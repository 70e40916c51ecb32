"""Images that are wanted and not here: `run`, `create` and FROM have them pulled, as Docker does.

A name that is nearly one of those that are here is a slip, and nothing is asked for it; nor for
what looks like an id. A name without a host is asked for where that image has come from, if it has.
Without a network it comes out after seconds, as an error about the name.
"""

from __future__ import annotations

import re
from contextlib import suppress

from lxgit.errors import LxgitError, UsageError
from lxgit.objects.refnames import BRANCHES, TAGS
from lxgit.objects.revisions import UnknownRevision
from lxgit.oci.reference import BadReference, parse_reference, split_host
from lxgit.operations.arriving import PULL
from lxgit.operations.lookup import classify, find_commit
from lxgit.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from lxgit.objects.ids import ObjectID
    from lxgit.oci.reference import Reference
    from lxgit.operations.pulling import Tell
    from lxgit.operations.values import Identity
    from lxgit.progress import Progress
    from lxgit.repository import Repository

MISSING, ALWAYS, NEVER = "missing", "always", "never"
"""When images are pulled: the words of `--pull`."""

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
    """The commit of an image, which FROM names.

    With ALWAYS those that have come from a registry are asked for there; what was made here is what
    it is. Errors as `find_commit`.
    """
    why = None
    try:
        found = find_commit(repository, name)
    except UnknownRevision as error:
        why = error
    else:
        if how.policy != ALWAYS or not _can_be_newer(repository, name):
            return found
    name = pulled(repository, name, how, why, identity=identity, progress=progress)
    return find_commit(repository, name)


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
    # Hardly any build asks a registry, and a third of all modules is for that.
    from lxgit.oci.skopeo import NoSuchImage, Unreachable
    from lxgit.operations.pulling import PullRequest, pull

    reference, source = _source(repository, name, how, why)
    here = reference.local_name
    if why is not None and repository.revisions.find_ref(here) is not None:
        if how.policy != ALWAYS:
            return here
        why = None
    if why is not None:
        how.tell(f"Unable to find image '{here if ':' in here else f'{here}:latest'}' locally")
    request = PullRequest(
        str(source), here, environment=how.environment, answer_within=_ANSWER_WITHIN
    )
    try:
        return pull(repository, request, how.tell, identity=identity, progress=progress).name
    except LxgitError as error:
        if why is None:
            raise
        is_none = isinstance(error, (NoSuchImage, Unreachable))
        hint = why.hint if is_none else error.hint
        raise UnknownRevision(
            f"there is no '{name}' here, and {error.message}", hint=hint or ""
        ) from None


def _source(
    repository: Repository, name: str, how: Pulls, why: LxgitError | None
) -> tuple[Reference, Reference]:
    """The reference that a name is, and the one to ask for; raises `why` for none."""
    if why is not None and (how.policy == NEVER or _LIKE_AN_ID.fullmatch(name)):
        raise why
    try:
        reference = parse_reference(name)
    except BadReference as error:
        raise why or UsageError(
            error.message, hint="--pull always takes a name of a registry"
        ) from None
    if _has_host(name):
        return reference, reference
    origin = _origin(repository, reference)
    if isinstance(why, UnknownRevision) and why.nearest and origin is None:
        raise why
    return reference, origin or reference


def _has_host(name: str) -> bool:
    return split_host(name)[1] != name


def _can_be_newer(repository: Repository, name: str) -> bool:
    """Whether an image that is here has come from a registry, where there may be another."""
    try:
        reference = parse_reference(name)
    except BadReference:
        return False
    return _has_host(name) or _origin(repository, reference) is not None


def _origin(repository: Repository, reference: Reference) -> Reference | None:
    """Where an image of that name, or another tag of it, has come from: its tag is there too."""
    image = reference._replace(tag="", digest="").local_name
    names = [f"{BRANCHES}{image}", *repository.refs.list(f"{TAGS}{image}/")]
    for entry in (entry for name in names for entry in repository.refs.reflog(name)):
        words = entry.message.split()
        if words[:1] == [f"{PULL}:"] and len(words) > 1:
            with suppress(BadReference):
                return parse_reference(words[1])._replace(
                    tag=reference.tag, digest=reference.digest
                )
    return None
