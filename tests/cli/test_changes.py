"""Changed paths in short."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from lxgit.cli.changes import (
    change_fields,
    metadata_changes,
    name_status_line,
    status_line,
    total,
    write_stat,
)
from lxgit.objects.metadata import Kind
from tests.cli.rendering import XATTR, changed, entry, rendered

if TYPE_CHECKING:
    from lxgit.operations.values import SizedChange

EDITED = changed(b"etc/nginx/nginx.conf", entry(), entry(content="2"), 1430, 1500)
ADDED = changed(b"usr/bin/tool", None, entry(mode=0o755), 0, 12_000_000)
REMOVED = changed(b"tmp/x", entry(), None, 120, 0)
CLOSED = changed(b"etc/shadow", entry(), entry(mode=0o600), 900, 900)
TOUCHED = changed(b"etc/issue", entry(), entry(mtime=1), 27, 27)
NEW_DIRECTORY = changed(b"srv/data", None, entry(Kind.DIRECTORY, mode=0o755))
RETYPED = changed(b"etc/mtab", entry(), entry(Kind.SYMLINK, content="2"), 300, 12)


@pytest.mark.parametrize(
    ("sized", "line"),
    [
        (EDITED, "M  /etc/nginx/nginx.conf  (1.43 kB -> 1.50 kB)"),
        (ADDED, "A  /usr/bin/tool  (12.0 MB)"),
        (REMOVED, "D  /tmp/x  (120 B)"),
        (CLOSED, "M  /etc/shadow  (metadata: mode 0644 -> 0600)"),
        (TOUCHED, "M  /etc/issue  (metadata: mtime)"),
        (NEW_DIRECTORY, "A  /srv/data/"),
        (RETYPED, "T  /etc/mtab  (300 B -> 12 B)"),
        (changed(b"a\nb", None, entry(), 0, 1), 'A  "/a\\nb"  (1 B)'),
        (
            changed(b"", entry(Kind.DIRECTORY), entry(Kind.DIRECTORY, owner=(1, 2))),
            "M  /  (metadata: owner 0:0 -> 1:2)",
        ),
        (
            changed(b"x", entry(), entry(xattrs=((b"user.\x1b[31m\nlxgit: well", b""),))),
            r'M  /x  (metadata: xattr "user.\033[31m\nlxgit: well")',
        ),
    ],
)
def test_status_lines(sized: SizedChange, line: str) -> None:
    assert status_line(sized) == line


def test_name_status_is_gits() -> None:
    assert name_status_line(EDITED) == "M\t/etc/nginx/nginx.conf"


def test_all_metadata_is_named() -> None:
    old = entry(mode=0o755, owner=(0, 0), mtime=5, xattrs=(XATTR, (b"user.gone", b"")))
    new = entry(mode=0o4755, owner=(33, 44), mtime=6, xattrs=((b"user.note", b"other"),))
    sized = changed(b"x", old, new)._replace(new_links=(b"y",))
    assert metadata_changes(sized) == [
        "mode 0755 -> 4755",
        "owner 0:0 -> 33:44",
        "xattr user.gone",
        "xattr user.note",
        "hard links",
    ]


def test_stat() -> None:
    text = rendered(lambda out: write_stat(out, [CLOSED, EDITED, REMOVED, ADDED]))
    assert text == STAT


STAT = """\
 /etc/shadow           | mode 0644 -> 0600
 /etc/nginx/nginx.conf | 1.43 kB -> 1.50 kB +
 /tmp/x                | 120 B              -
 /usr/bin/tool         | 12.0 MB            ++++++++++++++++++++++++
 4 paths changed: 1 added, 2 modified, 1 deleted; +12.0 MB
"""


def test_the_stat_of_what_has_no_size() -> None:
    gone = changed(b"run/pipe", entry(Kind.FIFO, content=""), None)
    text = rendered(lambda out: write_stat(out, [gone, NEW_DIRECTORY]))
    assert text.splitlines()[:2] == [
        " /run/pipe  | deleted fifo",
        " /srv/data/ | new directory",
    ]


def test_nothing_changed_has_no_stat() -> None:
    assert rendered(lambda out: write_stat(out, [])) == ""


def test_totals() -> None:
    assert total([ADDED]) == "1 path changed: 1 added; +12.0 MB"
    assert total([EDITED, CLOSED, REMOVED, RETYPED]) == (
        "4 paths changed: 2 modified, 1 deleted, 1 of another type; -338 B"
    )


def test_json() -> None:
    fields = json.loads(json.dumps(change_fields(EDITED)))
    assert fields["path"] == "/etc/nginx/nginx.conf"
    assert fields["status"] == "M"
    assert fields["content_changed"]
    assert fields["old"] == {
        "type": "file",
        "mode": "0644",
        "uid": 0,
        "gid": 0,
        "mtime": 0,
        "size": 1430,
        "id": "1" * 40,
        "device": None,
        "xattrs": {},
    }
    assert change_fields(REMOVED)["new"] is None
    device = entry(Kind.CHARACTER, content="", rdev=(1, 3), xattrs=(XATTR,))
    shown = json.loads(json.dumps(change_fields(changed(b"dev/null", None, device))))["new"]
    assert shown["device"] == "1:3"
    assert shown["id"] is None
    assert shown["xattrs"] == {"user.note": "68656c6c6f"}
