"""Files that appear under their name when they are complete, and leave nothing behind before."""

from __future__ import annotations

import errno
import os

from lxgit.lean import suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Self

TEMPORARY = "tmp_"
"""How names begin that `git prune` removes when they are old (git-prune(1))."""


class NewFile:
    """A file being written in `directory`, open for reading and writing as `fd`.

    It has no name at all (O_TMPFILE, open(2)): the kernel frees it when this process dies, and no
    `git gc --prune=now` can take it for rubbish. Where the file system knows no such files it is
    named `tmp_…`, which `git gc` sweeps up after two weeks.
    """

    def __init__(self, directory: str) -> None:
        self._temporary: str | None = None
        try:
            self.fd = os.open(directory, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
        except OSError as error:
            if error.errno not in {errno.EOPNOTSUPP, errno.EISDIR}:
                raise
            self._temporary = f"{directory}/{TEMPORARY}{os.urandom(8).hex()}"
            flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            self.fd = os.open(self._temporary, flags, 0o600)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def publish(self, path: str) -> None:
        """Give the file its name; FileExistsError when that is taken. Durable it is not yet."""
        if self._temporary is not None:
            os.link(self._temporary, path)
            return
        # A directory descriptor, though none is needed, is what makes Python call linkat(2).
        root = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.link(f"/proc/self/fd/{self.fd}", path, src_dir_fd=root, follow_symlinks=True)
        finally:
            os.close(root)

    def close(self) -> None:
        """Let go of it; without a name, it is gone."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1
        self.settle()

    def settle(self) -> None:
        """Have no other names than those that were published; it cannot be given more."""
        if self._temporary is not None:
            with suppress(FileNotFoundError):
                os.unlink(self._temporary)
            self._temporary = None
