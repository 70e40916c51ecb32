"""The bare repository of a store: made with what it asks of stock Git, and known again by it."""

from __future__ import annotations

import errno
import os

from lxgit.beneath import remove_tree
from lxgit.fsutil import fsync_directory, fsync_file, write_all
from lxgit.objects.git import BIG_FILE_THRESHOLD, Git

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

STORE_SETTINGS = {
    "core.bigFileThreshold": f"{BIG_FILE_THRESHOLD >> 20}m",
    "core.logAllRefUpdates": "always",
    "gc.auto": "0",
    "maintenance.auto": "false",
    "receive.autogc": "false",
    "receive.fsckObjects": "true",
    "transfer.fsckObjects": "true",
    "transfer.hideRefs": "refs/lxgit",
}
"""What a store asks of stock Git beyond the defaults; the reasons are in docs/format.md."""


def init(git_dir: Path) -> None:
    """Make the store's bare repository; it appears whole or not at all.

    HEAD names `refs/heads/main`, which is unborn until the first branch takes HEAD over.
    FileExistsError when `git_dir` exists.
    """
    if git_dir.exists():
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(git_dir))
    temporary = git_dir.with_name(f"{git_dir.name}.{os.urandom(4).hex()}.tmp")
    try:
        Git(None).run(
            ["init", "-q", "--bare", "--template=", "--initial-branch=main", str(temporary)]
        )
        _finish_config(temporary / "config")
        _flush(temporary)
        os.rename(temporary, git_dir)
    except BaseException:
        remove_tree(temporary)
        raise
    fsync_directory(git_dir.parent)


def is_ours(git_dir: str) -> bool:
    """Whether it is a repository that `init` has made."""
    try:
        with open(f"{git_dir}/config", "rb") as file:
            return f"hideRefs = {STORE_SETTINGS['transfer.hideRefs']}\n".encode() in file.read()
    except (FileNotFoundError, NotADirectoryError):
        return False


def _flush(top: Path) -> None:
    """Have a directory with all below it on disk: Git leaves HEAD to chance."""
    for directory, _, files in os.walk(top, topdown=False):
        for name in files:
            fsync_file(os.path.join(directory, name))
        fsync_directory(directory)


def _finish_config(path: Path) -> None:
    """Add the store's settings to those of `git init`."""
    fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
    try:
        for name, value in STORE_SETTINGS.items():
            section, _, key = name.partition(".")
            write_all(fd, f"[{section}]\n\t{key} = {value}\n".encode())
        os.fsync(fd)
    finally:
        os.close(fd)
