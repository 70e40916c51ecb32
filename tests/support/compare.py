"""Whether two trees are equal in everything that Linux keeps about files.

Two tools that share no code are asked, rsync and tar; of nine that were tried these alone noticed
each of the differences in tests/support/test_compare.py. Where they find one, it is told in words.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import tarfile
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C", "TZ": "UTC"}
_RSYNC = (
    *("rsync", "-aHAXDci", "--numeric-ids", "--modify-window=-1"),
    *("--dry-run", "--delete", "--secluded-args"),
)
_TAR = (
    *("tar", "--sort=name", "--format=posix", "--xattrs", "--xattrs-include=*", "--acls"),
    *("--numeric-owner", "--pax-option=exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime"),
)
_SHOWN = 40


def assert_same_tree(left: Path, right: Path) -> None:
    """AssertionError that lists the differences unless both comparisons find none.

    Sockets are not compared: tar leaves them out, rsync does not when both sides have them.
    """
    found = rsync_differences(left, right) + tar_differences(left, right)
    if found:
        more = f"\n… and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
        shown = "\n".join(found[:_SHOWN])
        raise AssertionError(f"{left} and {right} differ:\n{shown}{more}")


def rsync_differences(left: Path, right: Path) -> list[str]:
    """What rsync would do to make `right` like `left`, a line each (its --itemize-changes)."""
    # From within: rsync takes no path that is longer than 4,096 bytes with its root in front.
    done = subprocess.run(
        [*_RSYNC, "./", os.path.join(right.absolute(), "")],
        cwd=left,
        env=_ENVIRONMENT,
        capture_output=True,
        check=False,
    )
    lines = done.stdout.decode(errors="backslashreplace").splitlines()
    if done.returncode:
        lines.append(f"exit {done.returncode}: {done.stderr.decode(errors='backslashreplace')}")
    return [f"rsync: {line}" for line in lines]


def tar_differences(left: Path, right: Path) -> list[str]:
    """What two trees' archives differ in: an entry, and the fields that are not alike.

    The members are compared, not the archives' bytes: in which order an entry's extended attributes
    stand is the file system's own affair.
    """
    olds, news = _members(left), _members(right)
    found = []
    for name in sorted(olds.keys() | news.keys()):
        old, new = olds.get(name), news.get(name)
        if old is None or new is None:
            found.append(f"tar: {name!a} only in {left if new is None else right}")
        elif old != new:
            fields = [key for key in old.keys() | new.keys() if old.get(key) != new.get(key)]
            told = (f"{key} {old.get(key)!a} → {new.get(key)!a}" for key in sorted(fields))
            found.append(f"tar: {name!a}: {', '.join(told)}")
    return found


def _members(root: Path) -> dict[str, dict[str, object]]:
    with (
        _Archive(root) as stream,
        tarfile.open(fileobj=stream, mode="r|", bufsize=2**20) as archive,
    ):
        return {member.name: _described(archive, member) for member in archive}


def _described(archive: tarfile.TarFile, member: tarfile.TarInfo) -> dict[str, object]:
    return {
        "type": member.type,
        "mode": oct(member.mode),
        "owner": (member.uid, member.gid),
        "link": member.linkname,
        "device": (member.devmajor, member.devminor),
        "size": member.size,
        "mtime": member.mtime,
        "content": _content_digest(archive, member) if member.isreg() else "",
        **{key: value for key, value in member.pax_headers.items() if key not in {"path", "size"}},
    }


def _content_digest(archive: tarfile.TarFile, member: tarfile.TarInfo) -> str:
    digest = hashlib.sha256()
    content = archive.extractfile(member)
    while content and (block := content.read(2**20)):
        digest.update(block)
    return digest.hexdigest()


class _Archive:
    """A tree read as a tar; CalledProcessError with tar's words when it cannot be read whole."""

    def __init__(self, root: Path) -> None:
        command = [*_TAR, "-C", str(root), "-cf", "-", "."]
        self._process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=_ENVIRONMENT
        )

    def __enter__(self) -> IO[bytes]:
        assert self._process.stdout is not None
        return self._process.stdout

    def __exit__(self, *_: object) -> None:
        self._drain()
        told = self._process.communicate()[1]
        if self._process.returncode:
            raise subprocess.CalledProcessError(
                self._process.returncode, "tar", stderr=told.decode(errors="backslashreplace")
            )

    def _drain(self) -> None:
        """Read what the reader left, the archive's padding say, or tar would end by a signal."""
        assert self._process.stdout is not None
        while self._process.stdout.read(2**20):
            pass
