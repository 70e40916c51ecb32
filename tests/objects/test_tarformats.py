"""Archives of every format, as GNU tar, bsdtar and Python write them, hold what they were made of.

The oracles: the tree on disk for what a format can hold, and Python's `tarfile`, which shares no
code with the reader, for the rest.
"""

from __future__ import annotations

import errno
import hashlib
import math
import os
import re
import subprocess
import tarfile
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from lxgit.lean import NANOSECONDS
from lxgit.objects import acl
from lxgit.objects.metadata import Kind
from lxgit.objects.scan import read_tree
from lxgit.objects.tarreader import read_tar
from lxgit.objects.tarsource import open_archive
from lxgit.progress import NullProgress
from tests.support import awkward
from tests.support.archives import described

if TYPE_CHECKING:
    from pathlib import Path

    Description = dict[bytes, dict[str, Any]]

pytestmark = pytest.mark.root

GNU = ("tar", "--numeric-owner", "--sort=name")
ALL = ("--xattrs", "--xattrs-include=*", "--acls")
WHOLE = {
    "gnu tar, pax": [*GNU, *ALL, "--format=posix"],
    "gnu tar, pax, sparse 0.0": [*GNU, *ALL, "--format=posix", "-S", "--sparse-version=0.0"],
    "gnu tar, pax, sparse 0.1": [*GNU, *ALL, "--format=posix", "-S", "--sparse-version=0.1"],
    "gnu tar, pax, sparse 1.0": [*GNU, *ALL, "--format=posix", "-S", "--sparse-version=1.0"],
    "bsdtar, pax": ["bsdtar", "--numeric-owner", "--xattrs", "--acls", "--format=pax"],
}
"""What keeps everything."""
LOST_BY_BSDTAR = re.compile(rb"before-1970|directories/dressed|symlinks/marked|privileges/")
"""It writes −5.000000001 as −6.999999999, and the last user of an ACL as the first."""
PLAIN = {
    "gnu tar, v7": [*GNU, "--format=v7"],
    "gnu tar, ustar": [*GNU, "--format=ustar"],
    "gnu tar, oldgnu": [*GNU, "--format=oldgnu"],
    "gnu tar, oldgnu, sparse": [*GNU, "--format=oldgnu", "-S"],
    "gnu tar, gnu": [*GNU, "--format=gnu"],
    "gnu tar, gnu, sparse": [*GNU, "--format=gnu", "-S"],
    "gnu tar, gnu, incremental times": [*GNU, "--format=gnu", "--atime-preserve=system"],
    "gnu tar, gnu, label": [*GNU, "--format=gnu", "--label=a label"],
    "gnu tar, pax, label": [*GNU, "--format=posix", "--label=a label"],
    "gnu tar, pax, for all": [*GNU, "--format=posix", "--pax-option=mtime=5,uid=7"],
    "bsdtar, ustar": ["bsdtar", "--format=ustar"],
    "bsdtar, gnutar": ["bsdtar", "--format=gnutar"],
    "bsdtar, v7": ["bsdtar", "--format=v7"],
    "python, ustar": [str(tarfile.USTAR_FORMAT)],
    "python, gnu": [str(tarfile.GNU_FORMAT)],
    "python, pax": [str(tarfile.PAX_FORMAT)],
}
"""What loses something, or leaves out what it cannot hold."""

_LONGEST_IN_USTAR = tarfile.LENGTH_PREFIX + len("/") + tarfile.LENGTH_NAME


@pytest.fixture(scope="module")
def root(module_directory: Path) -> Path:
    """The awkward tree; its devices have one name each, as tar would not see that it is one."""
    place = module_directory / "awkward"
    awkward.build(place)
    return place


@pytest.fixture(scope="module")
def on_disk(root: Path) -> Description:
    fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        return described(read_tree(fd, NullProgress())[0])
    finally:
        os.close(fd)


def make(words: list[str], root: Path, archive: Path) -> Path:
    """What the format cannot hold is left out, and told in a flood of words."""
    if words[0].isdigit():
        with tarfile.open(
            archive, "w", format=int(words[0]), encoding="utf-8", errors="surrogateescape"
        ) as tar:
            for directory, names, files in os.walk(root):
                for name in (*names, *files):
                    _add(tar, os.path.join(directory, name), root)
        return archive
    subprocess.run(
        [*words, "-cf", archive, "-C", root, "."],
        capture_output=True,
        check=False,
        env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"},
    )
    return archive


def _add(tar: tarfile.TarFile, path: str, root: Path) -> None:
    """Python's own walk gives up below a thousand levels, and at a path of 4,096 bytes."""
    name = os.path.relpath(path, root)
    if tar.format == tarfile.USTAR_FORMAT and len(name) > _LONGEST_IN_USTAR:
        return  # tarfile would look for a place to split it, ever slower
    try:
        tar.add(path, name, recursive=False, filter=_whole_seconds)
    except ValueError:
        return  # too long for the format
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise


def _whole_seconds(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """It would write a nanosecond as 1e-09, which no reader of pax takes for a time."""
    member.mtime = int(member.mtime // 1)
    return member


def by_lxgit(archive: Path) -> Description:
    with open_archive(archive, None, archive.parent) as opened:
        return described(read_tar(opened, NullProgress()))


def by_tarfile(archive: Path) -> Description:
    """In the words of `described`, as far as `tarfile` knows them."""
    kinds = {
        tarfile.DIRTYPE: Kind.DIRECTORY,
        tarfile.SYMTYPE: Kind.SYMLINK,
        tarfile.CHRTYPE: Kind.CHARACTER,
        tarfile.BLKTYPE: Kind.BLOCK,
        tarfile.FIFOTYPE: Kind.FIFO,
    }
    found: Description = {}
    with tarfile.open(archive, encoding="utf-8", errors="surrogateescape") as tar:
        for member in tar:
            path = os.fsencode(member.name).removeprefix(b"./").rstrip(b"/")
            if member.type == b"V":
                continue
            if member.islnk():
                found[path] = found[os.fsencode(member.linkname).removeprefix(b"./")]
                continue
            kind = kinds.get(member.type, Kind.FILE)
            found[path.removeprefix(b".") if path == b"." else path] = {
                "kind": kind,
                "mode": 0o777 if kind is Kind.SYMLINK else member.mode & 0o7777,
                "uid": member.uid,
                "gid": member.gid,
                "mtime": math.floor(Decimal(member.pax_headers.get("mtime", member.mtime))),
                "target": os.fsencode(member.linkname) if kind is Kind.SYMLINK else b"",
                "device": (member.devmajor, member.devminor)
                if kind in {Kind.CHARACTER, Kind.BLOCK}
                else None,
            }
            if kind is Kind.FILE:
                digest = hashlib.sha1(usedforsecurity=False)
                content = tar.extractfile(member)
                while content and (chunk := content.read(1 << 20)):
                    digest.update(chunk)
                found[path] |= {"size": member.size, "digest": digest.hexdigest()}
    return found


@pytest.mark.parametrize("words", WHOLE.values(), ids=WHOLE.keys())
def test_what_keeps_everything(
    words: list[str], root: Path, on_disk: Description, scratch: Path
) -> None:
    found = by_lxgit(make(words, root, scratch / "archive.tar"))
    if words[0] == "bsdtar":
        on_disk = {
            path: entry for path, entry in on_disk.items() if not LOST_BY_BSDTAR.search(path)
        }
        found = {path: entry for path, entry in found.items() if not LOST_BY_BSDTAR.search(path)}
    assert differences(found, on_disk) == {}
    assert found.keys() == on_disk.keys()


@pytest.mark.scale
@pytest.mark.parametrize("words", (WHOLE | PLAIN).values(), ids=(WHOLE | PLAIN).keys())
def test_the_same_as_tarfile(words: list[str], root: Path, scratch: Path) -> None:
    archive = make(words, root, scratch / "archive.tar")
    found, expected = by_lxgit(archive), by_tarfile(archive)
    for path, entry in found.items():
        entry["mtime"] //= NANOSECONDS
        if any(name == acl.ACCESS for name, _ in entry["xattrs"]):
            del expected[path]["mode"]  # an ACL's mask stands there, where bsdtar puts the group's
    assert differences(found, expected) == {}
    implied = found.keys() - expected.keys()
    assert all(found[path]["kind"] is Kind.DIRECTORY for path in implied)
    assert len(found) > 500


def differences(
    found: Description, expected: Description
) -> dict[bytes, list[tuple[str, Any, Any]]]:
    """What is not as expected, the first few: everything that an expectation speaks of."""
    wrong = {
        path: [(key, found.get(path, {}).get(key), value) for key, value in entry.items()
               if found.get(path, {}).get(key) != value]
        for path, entry in expected.items()
    }  # fmt: skip
    return dict([item for item in wrong.items() if item[1]][:5])
