"""Exit codes of faults, where 1 means something else."""

from __future__ import annotations

from contextlib import contextmanager

from lxgit.errors import LxgitError, in_words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def faults_exit_with(code: int) -> Iterator[None]:
    """Have every fault exit with this code; an output that nobody reads on is none."""
    try:
        yield
    except BrokenPipeError:
        raise
    except (LxgitError, OSError) as error:
        told = in_words(error)
        told.exit_code = code
        raise told from error.__cause__ if told is error else error
