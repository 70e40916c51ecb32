"""Git tree objects as bytes: parsed strictly, written canonically (git: tree.c, fsck.c).

libgit2's and dulwich's builders refuse names that are not UTF-8 or modes that they do not expect,
so the format, which is three fields long, is written here.
"""

from __future__ import annotations

import operator
import re
from itertools import islice

from lxgit.errors import LxgitError
from lxgit.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from lxgit.objects.ids import ObjectID

MAX_DEPTH = 2000
"""Levels of a commit's tree, `rootfs` included: Git gives up at 2,048 (environment.c)."""

MODE_TREE = 0o040000
MODE_FILE = 0o100644
MODE_EXECUTABLE = 0o100755
MODE_SYMLINK = 0o120000
_MODES = {
    b"40000": MODE_TREE,
    b"100644": MODE_FILE,
    b"100755": MODE_EXECUTABLE,
    b"120000": MODE_SYMLINK,
}
_WORDS = {mode: word for word, mode in _MODES.items()}
_ENTRY = re.compile(rb"(40000|100644|100755|120000) ([^\0]+)\0(.{20})", re.DOTALL)
_AROUND = 22  # bytes of an entry beside its mode and its name: the id, a space, a NUL


class InvalidTree(LxgitError):
    """A tree object that lxgit does not write: damaged, hostile, or not an image's."""


class TreeEntry(NamedTuple):
    """One entry as Git has it: the name as stored."""

    mode: int
    name: bytes
    oid: ObjectID


def sort_key(name: bytes, mode: int) -> bytes:
    """Git orders a directory as if its name ended in `/` (git: read-cache.c, base_name_compare)."""
    return name + b"/" if mode == MODE_TREE else name


def encode_tree(entries: Iterable[TreeEntry]) -> bytes:
    """The object's content; the entries in any order."""
    ordered = sorted(entries, key=lambda entry: sort_key(entry.name, entry.mode))
    return b"".join(b"%b %b\0%b" % (_WORDS[mode], name, oid) for mode, name, oid in ordered)


def decode_tree(data: bytes) -> list[TreeEntry]:
    """The entries in their order.

    InvalidTree unless each has one of the four modes above, and they are sorted, without
    duplicates. Names are not judged here: `names.decode_name` does.
    """
    found = _ENTRY.findall(data)
    # What does not match was passed over: then the lengths of the matches are not the whole.
    if sum(len(word) + len(name) + _AROUND for word, name, _ in found) != len(data):
        raise InvalidTree("a tree object has an entry that is not lxgit's")
    keys = [name + b"/" if word == b"40000" else name for word, name, _ in found]
    if any(map(operator.ge, keys, islice(keys, 1, None))):
        raise InvalidTree("a tree object is not in order")
    new = tuple.__new__  # half of the time that TreeEntry(…) takes
    return [new(TreeEntry, (_MODES[word], name, oid)) for word, name, oid in found]
