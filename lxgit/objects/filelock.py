"""The lock of one of Git's files: NAME.lock, which becomes NAME (lockfile.h of Git's source)."""

from __future__ import annotations

import contextlib
import os
import time
from typing import TYPE_CHECKING

from lxgit.errors import LxgitError
from lxgit.fsutil import fsync_directory, write_all
from lxgit.objects.reflogs import remove_empty_directories

if TYPE_CHECKING:
    from typing import Self

_PATIENCE = 1.0
"""Seconds to wait for another process; Git gives up after 0.1 for a ref, 1 for packed-refs."""

_PAUSE = 0.01


class RefLocked(LxgitError):
    """Another process changes the ref, or left its lock behind."""


class RefConflict(LxgitError):
    """A ref cannot be beside another: one would be a file and the other a directory there."""


class FileLock:
    """`path`.lock, made by this process alone. It is gone, or `path`, when the `with` is left."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._lock = f"{path}.lock"
        self._fd = -1

    def __enter__(self) -> Self:
        deadline = time.monotonic() + _PATIENCE
        while self._fd < 0:
            try:
                self._fd = self._try()
            except FileExistsError:
                if time.monotonic() > deadline:
                    raise RefLocked(
                        f"another process holds '{self._lock}'",
                        hint="if there is none, one has died: remove that file",
                    ) from None
                time.sleep(_PAUSE)
        return self

    def __exit__(self, *_: object) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            with contextlib.suppress(FileNotFoundError):  # someone took us for dead
                os.unlink(self._lock)

    def write(self, content: bytes) -> None:
        """Have the new content on disk; what a full disk prevents, it prevents here."""
        write_all(self._fd, content)
        os.fsync(self._fd)

    def commit(self) -> None:
        """Make what was written `path`, durably. RefConflict when a directory is there."""
        try:
            self._rename()
        except IsADirectoryError:
            remove_empty_directories(self._path)  # of refs that were deleted
            try:
                self._rename()
            except IsADirectoryError:
                raise _blocked(self._path) from None
        os.close(self._fd)
        self._fd = -1
        fsync_directory(os.path.dirname(self._path))

    def _try(self) -> int:
        """The open lock, or -1 when another try is due; FileExistsError when it is held."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        try:
            return os.open(self._lock, flags, 0o666)
        except FileNotFoundError:
            self._make_parents()  # whoever deletes a ref may remove them again
            return -1
        except NotADirectoryError:
            raise _blocked(self._path) from None

    def _make_parents(self) -> None:
        try:
            os.makedirs(os.path.dirname(self._path), exist_ok=True)
        except (FileExistsError, NotADirectoryError):
            raise _blocked(self._path) from None
        except FileNotFoundError:
            pass  # removed again meanwhile

    def _rename(self) -> None:
        os.rename(self._lock, self._path)


def _blocked(path: str) -> RefConflict:
    return RefConflict(f"the ref '{path}' cannot be beside one whose name begins or ends there")
