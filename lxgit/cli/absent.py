"""Images that are not here: `run` and `create` have them pulled, and go on."""

from __future__ import annotations

from lxgit.cli.environment import for_registries
from lxgit.cli.progress import QuietProgress
from lxgit.cli.receiving import say, silent
from lxgit.errors import LxgitError, UsageError
from lxgit.operations.absent import NEVER, Pulls, pulled, says_absent
from lxgit.operations.store import NoStore

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lxgit.cli.run import Fetch
    from lxgit.cli.session import Session
    from lxgit.operations.creating import RunRequest
    from lxgit.progress import Progress


def request_of_pulled(
    session: Session,
    request: RunRequest,
    fetch: Fetch,
    why: LxgitError | None,
    progress: Progress,
) -> RunRequest:
    """The request with its image by the name that it has here, now that it was pulled.

    `why` is the error that came of the request, None where nothing was tried; it is raised where
    nothing is to be pulled.
    """
    if request.image is None:
        raise why or UsageError("--pull always takes an image by its name")
    if why is not None and (fetch.policy == NEVER or not _is_about(session, why, request.image)):
        raise why
    repository = session.repository(create=True)
    how = Pulls(fetch.policy, for_registries(), silent if fetch.is_quiet else say)
    progress = QuietProgress() if fetch.is_quiet else progress
    name = pulled(
        repository, request.image, how, why, identity=session.identity(), progress=progress
    )
    progress.phase("")
    return request._replace(image=name)


def _is_about(session: Session, error: LxgitError, image: str) -> bool:
    """Whether an error says that the image is not here, or that there is no store to have it."""
    if isinstance(error, NoStore):
        return session.where_a_store_is() is None
    return says_absent(session.repository(), error, image)
