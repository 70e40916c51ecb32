"""Exit codes of faults, where 1 means something else."""

from __future__ import annotations

from contextlib import contextmanager

from lxgit.cli.output import OutputFailed
from lxgit.errors import LxgitError, in_words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from lxgit.cli.session import Session


@contextmanager
def faults_exit_with(session: Session, code: int) -> Iterator[None]:
    """Have every fault exit with this code, one of writing the answer too.

    An output that nobody reads on is none.
    """
    try:
        yield
        if not session.paged:  # a pager that was left before the end says nothing of the answer
            session.out.flush()
    except OutputFailed as error:
        error.exit_code = code
        raise
    except (LxgitError, OSError) as error:
        told = in_words(error)
        told.exit_code = code
        raise told from error.__cause__ if told is error else error
