"""A file that the user named for output: whole when the command succeeds, absent when not."""

from __future__ import annotations

import contextlib
import os
import stat

from lxgit.errors import LxgitError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import IO


@contextlib.contextmanager
def output_file(path: str, option: str) -> Iterator[IO[bytes]]:
    """Write a file under another name, which becomes `path` at the end; OSError names `path`.

    What is there and no regular file, a pipe or /dev/stdout, is written as it is. UsageError where
    `option` names none.
    """
    if not path:
        raise UsageError(f"{option}: the name of the file is empty", hint=f"{option} FILE")
    with _named(path):
        target = os.path.realpath(path)  # a link stays, and the file behind it is replaced
        if os.path.exists(target) and not stat.S_ISREG(os.stat(target).st_mode):
            with open(target, "wb") as file:
                yield file
            return
        temporary = f"{target}.{os.urandom(4).hex()}.tmp"
        try:
            with open(temporary, "xb", opener=_private) as file:
                yield file
            os.rename(temporary, target)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary)
            raise


def _private(path: str, flags: int) -> int:
    """For its owner alone: an image has an /etc/shadow."""
    return os.open(path, flags | os.O_CLOEXEC, 0o600)


@contextlib.contextmanager
def _named(path: str) -> Iterator[None]:
    """Faults of writing, which know only a descriptor or the temporary name, told of `path`."""
    try:
        yield
    except OSError as error:
        if isinstance(error, FileNotFoundError) and str(error.filename).endswith(".tmp"):
            raise LxgitError(f"there is no directory for '{path}'", hint="make it first") from error
        if error.filename is None or str(error.filename).endswith(".tmp"):
            raise OSError(error.errno, error.strerror, path) from error
        raise
