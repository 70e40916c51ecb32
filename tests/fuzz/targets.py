"""What is fuzzed: each target takes any bytes, and raises when a promise is broken.

The promises: nothing but an LxgitError (or the readers' own BadObjectData) comes out of hostile
bytes; what is accepted has one spelling; and where somebody else reads the same format, he reads
the same.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import tarfile
import tempfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lxgit.errors import LxgitError
from lxgit.objects import acl
from lxgit.objects.commits import decode_commit, decode_tag
from lxgit.objects.database import ObjectDatabase
from lxgit.objects.directory import Directory, read_directory, write_directory
from lxgit.objects.ids import ObjectID, ObjectType, hash_trusted
from lxgit.objects.imageconfig import ImageConfig, decode_config, encode_config
from lxgit.objects.inflate import BadObjectData
from lxgit.objects.instructions import shell_of
from lxgit.objects.limits import Limits
from lxgit.objects.links import Links, decode_links, encode_links
from lxgit.objects.loose import LooseObjects
from lxgit.objects.names import InvalidName, check_name, decode_name, encode_name
from lxgit.objects.packdelta import apply_delta, apply_delta_to_file, result_size
from lxgit.objects.packindex import encode_index
from lxgit.objects.shellwords import shell_line, shell_words
from lxgit.objects.tree import MODE_FILE, TreeEntry, decode_tree, encode_tree
from lxgit.operations.healthwishes import WantedHealth
from lxgit.operations.signals import signal_number
from tests.fuzz import images, recipes
from tests.support import packcraft
from tests.support.archives import read
from tests.support.hostile import CASES

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class Target:
    """`run` takes any bytes; `seeds` are such as it accepts, or nearly."""

    name: str
    run: Callable[[bytes], None]
    seeds: tuple[bytes, ...]


SCRATCH = Path(tempfile.mkdtemp(prefix="lxgit-fuzz-"))
"""Removed by whoever runs the targets."""

_MOST = 1 << 20  # bytes that a target lets anything grow to


def archive(data: bytes) -> None:
    """The tar reader: a tree that leads nowhere else, and `tarfile`'s contents, or a refusal."""
    try:
        tree = read(SCRATCH, data, Limits(_MOST, _MOST))
    except LxgitError:
        return
    contents = {}
    for path, node in tree.walk():
        assert not path or all(part not in {b"", b".", b".."} for part in path.split(b"/"))
        if node.content is not None:
            contents[path] = node.content.size
    with contextlib.suppress(tarfile.TarError, ValueError, OverflowError, UnicodeError):
        _compare_with_tarfile(data, contents)


def _compare_with_tarfile(data: bytes, contents: dict[bytes, int]) -> None:
    """Plain members alone: where they differ on purpose, tests/objects/test_tarreader has it."""
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:", errors="surrogateescape") as members:
        found = list(members)
    names = [os.fsencode(member.name) for member in found]
    if any(member.type != b"0" or member.pax_headers or not member.name for member in found):
        return
    if any(b"/" in name or name in {b".", b".."} for name in names):
        return
    assert {name: member.size for name, member in zip(names, found, strict=True)} == contents


def metadata(data: bytes) -> None:
    """`%meta` of a directory whose tree has one file and one directory: one spelling for each."""
    blob, tree = b"b" * 20, b"t" * 20
    entries = encode_tree(
        [
            TreeEntry(MODE_FILE, b"%meta", ObjectID(b"m" * 20)),
            TreeEntry(MODE_FILE, b"file", ObjectID(blob)),
            TreeEntry(0o040000, b"sub", ObjectID(tree)),
        ]
    )
    _directory(entries, data)


def directory(data: bytes) -> None:
    """A tree and its `%meta`, with two bytes in front that say where the one ends."""
    size = int.from_bytes(data[:2], "big")
    _directory(data[2 : 2 + size], data[2 + size :])


class _Objects:
    """A store of two objects, which takes down what is written to it."""

    def __init__(self, tree: bytes, meta: bytes) -> None:
        self._tree = tree
        self._meta = meta
        self.written: list[bytes] = []

    def tree(self, _: ObjectID) -> bytes:
        return self._tree

    def blob(self, _: ObjectID) -> bytes:
        return self._meta

    def add(self, kind: ObjectType, data: bytes) -> ObjectID:
        self.written.append(data)
        return ObjectID(b"m" * 20) if kind is ObjectType.BLOB else hash_trusted(kind, data)


def _directory(tree: bytes, meta: bytes) -> None:
    objects = _Objects(tree, meta)
    try:
        found = read_directory(objects, ObjectID(bytes(20)))
    except LxgitError:
        return
    for name in found.entries:
        check_name(name)
    write_directory(objects, Directory(found.metadata, found.entries))
    written = objects.written[0]
    assert _but_for_xattrs(written) == _but_for_xattrs(meta)
    if written != meta:  # what no writer records was passed over, or read as Linux has it
        again = _Objects(objects.written[1], written)
        found = read_directory(again, ObjectID(bytes(20)))
        write_directory(again, Directory(found.metadata, found.entries))
        assert again.written[0] == written


def _but_for_xattrs(meta: bytes) -> list[tuple[bytes, list[bytes], bytes]]:
    """The fields of each line, of the attributes those that neither are extended nor come of one.

    An access ACL decides about the mode.
    """
    lines = [line.split(b" ", 2) for line in meta.split(b"\n")[:-1]]
    return [
        (stamp, [one for one in attributes.split(b",") if one[:2] in {b"t=", b"u=", b"g="}], name)
        for stamp, attributes, name in lines
    ]


def names(data: bytes) -> None:
    """A bijection between what Linux calls a file and what stands in a tree."""
    with contextlib.suppress(InvalidName):
        assert encode_name(decode_name(data)) == data
    with contextlib.suppress(InvalidName):
        assert decode_name(encode_name(data)) == data


def links(data: bytes) -> None:
    with contextlib.suppress(LxgitError):
        assert encode_links(decode_links(data)) == data


def config(data: bytes) -> None:
    """What is read has one spelling, and whoever runs it stumbles over nothing in it."""
    with contextlib.suppress(LxgitError):
        found = decode_config(data)
        assert encode_config(found) == data
        assert "\0" not in "".join((*found.env, *found.cmd, found.user, found.working_dir))
        shell_of(found)
        WantedHealth().applied(found)
        signal_number(found.stop_signal)


def tree(data: bytes) -> None:
    with contextlib.suppress(LxgitError):
        assert encode_tree(decode_tree(data)) == data


def commit(data: bytes) -> None:
    with contextlib.suppress(LxgitError):
        decode_commit(data)
    with contextlib.suppress(LxgitError):
        decode_tag(data)


def acls(data: bytes) -> None:
    """The attribute in the kernel's form, and the text of archives."""
    with contextlib.suppress(LxgitError):
        mode, xattrs = acl.normalised(0o644, ((acl.ACCESS, data),))
        assert acl.normalised(mode, xattrs) == (mode, xattrs)
        for _, value in xattrs:
            text = acl.acl_text(value).decode()
            assert acl.parse_acl_text(acl.ACCESS, text, lambda *_: None) == value
    with contextlib.suppress(LxgitError):
        acl.parse_acl_text(acl.DEFAULT, data.decode("utf-8", "surrogateescape"), lambda *_: 5)


_BASE = bytes(range(256)) * 4


def delta(data: bytes) -> None:
    """Of a base of 1,024 bytes: in memory and from file to file the same, or refused by both."""
    made: list[bytes | None] = []
    with contextlib.suppress(BadObjectData):
        if result_size(data) > _MOST:
            return
    try:
        made.append(apply_delta(_BASE, data))
    except BadObjectData:
        made.append(None)
    with tempfile.TemporaryFile() as base, tempfile.TemporaryFile() as target:
        base.write(_BASE)
        base.flush()
        chunks = (data[at : at + 7] for at in range(0, len(data), 7))
        try:
            apply_delta_to_file(base.fileno(), len(_BASE), chunks, target.fileno())
            target.seek(0)
            made.append(target.read())
        except BadObjectData:
            made.append(None)
    assert made[0] == made[1]


def loose(data: bytes) -> None:
    """A loose object of any bytes: no more comes out than its header says."""
    oid = ObjectID(b"\x12" * 20)
    objects = LooseObjects(str(SCRATCH))
    path = Path(objects.path(oid))
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)
    with contextlib.suppress(BadObjectData):
        _, size = objects.describe(oid)
        if size <= _MOST:
            assert sum(map(len, objects.chunks(oid))) == size


def pack(data: bytes) -> None:
    """A pack whose bytes are anything, with an index that leads to every offset."""
    git = SCRATCH / "pack.git"
    packs = git / "objects" / "pack"
    packs.mkdir(parents=True, exist_ok=True)
    body = b"PACK\0\0\0\2\0\0\0\x08" + data
    trailer = hashlib.sha1(body).digest()
    offsets = {12, 13, *range(12, len(body), max(1, len(body) // 6))}
    chosen = sorted(offsets)[:8]
    chosen += [12] * (8 - len(chosen))
    index = {ObjectID(bytes([n]) * 20): (0, offset) for n, offset in enumerate(chosen)}
    (packs / "pack-x.pack").write_bytes(body + trailer)
    (packs / "pack-x.idx").write_bytes(encode_index(index, trailer))
    with ObjectDatabase(git) as database:
        for oid in index:
            with contextlib.suppress(LxgitError):
                if database.describe(oid)[1] <= _MOST:
                    database.read(oid)
            with contextlib.suppress(LxgitError):
                if database.size(oid) <= _MOST:
                    list(database.stream(oid))


def command(data: bytes) -> None:
    """A command's words, read, written on one line, and read again."""
    try:
        words = shell_words(os.fsdecode(data))
    except ValueError:
        return
    line = shell_line(words)
    assert line.isprintable()
    assert [*map(os.fsencode, shell_words(line))] == [*map(os.fsencode, words)]


def _directory_seed() -> bytes:
    entries = encode_tree(
        [
            TreeEntry(MODE_FILE, b"%meta", ObjectID(b"m" * 20)),
            TreeEntry(MODE_FILE, b"file", ObjectID(b"b" * 20)),
        ]
    )
    return len(entries).to_bytes(2, "big") + entries + b"1 - .\n2.5 m=600 file\n"


def _pack_seed() -> bytes:
    whole = packcraft.blob(_BASE)
    change = packcraft.varint(1024) + packcraft.varint(5) + b"\x90\x04\x01x"
    entries = [
        whole.encode(),
        packcraft.Raw(
            whole.oid, packcraft.OFS_DELTA, change, between=packcraft.distance(len(whole.encode()))
        ).encode(),
        packcraft.Raw(whole.oid, packcraft.REF_DELTA, change, between=bytes(20)).encode(),
    ]
    return b"".join(entries)


_META = (
    b"1700000000 - .\n1.25 m=4755,u=1,g=2,x:user.a=b%00 file\n",
    b"-5.000000001 m=1777 .\n0 t=c:1:3,m=666 console\n0 - file\n0 t=p fifo\n",
    b"0 - .\n0 - file\n",
    b"0 - .\n0 m=600,x:system.posix_acl_access=%b file\n"
    % b"%02%00%00%00%01%00%07%00%FF%FF%FF%FF%04%00%00%00%FF%FF%FF%FF%20%00%04%00%FF%FF%FF%FF",
)
_CONFIG = ImageConfig(
    env=("A=b",), cmd=("sh",), labels=(("k", "v"),), extra={"x": [1, {"y": None}]}
)
_HALF = b'{\n  "a": "\\ud800"\n}\n'
_CHECKED = ImageConfig(
    user="a:b",
    stop_signal="SIGRTMIN+3",
    extra={
        "Healthcheck": {"Test": ["CMD", "x"], "Interval": 10**9, "Retries": 3},
        "OnBuild": ["RUN x"],
        "Shell": ["sh", "-c"],
    },
)
_COMMIT = (
    b"tree " + b"1" * 40 + b"\nparent " + b"2" * 40 + b"\nauthor A <a@b> 1700000000 +0130\n"
    b"committer A <a@b> 1700000000 -0000\nencoding ISO-8859-1\ngpgsig x\n y\n\n"
    b"hello\n\nCommand: x\n"
)
_ACL = acl.acl_value([(1, 6, 2**32 - 1), (2, 7, 5), (4, 4, 2**32 - 1), (16, 7, 2**32 - 1)])
_ACL += acl.acl_value([(32, 0, 2**32 - 1)])[4:]

TARGETS = [
    Target("archive", archive, tuple(d for c in CASES if len(d := c.data()) < 20_000)),
    Target("metadata", metadata, _META),
    Target("directory", directory, (_directory_seed(),)),
    Target("names", names, (b"etc", b"%25a", b"%2Egit", b".git", b"%5C%2Egit", b"git~1")),
    Target("links", links, (b"a\tb\nc\td\\n\te\\\\\n", encode_links(Links([(b"x", b"y")])))),
    Target("config", config, (*map(encode_config, (_CONFIG, _CHECKED)), b"{}\n", _HALF)),
    Target("tree", tree, (_directory_seed()[2:70], b"40000 d\0" + b"x" * 20)),
    Target("commit", commit, (_COMMIT, b"object " + b"1" * 40 + b"\ntype commit\ntag v\n\nx\n")),
    Target("command", command, (b"sh -c $'a\\nb\\303\\251\\x41\\cA'", b"'a b' \"c\\\"\" \\d ''")),
    Target("acl", acls, (_ACL, b"user::rw-,user:5:r--,group::r--,mask::r--,other::---")),
    Target("delta", delta, (b"\x80\x08\x05\x90\x04\x01x", b"\x80\x08\x05\x05hello", b"\x80\x08\0")),
    Target(
        "loose",
        loose,
        (zlib.compress(b"blob 5\0hello"), zlib.compress(b"blob 70000\0" + bytes(70_000))),
    ),
    Target("pack", pack, (_pack_seed(),)),
    Target("dockerfile", recipes.dockerfile, recipes.DOCKERFILES),
    Target("ignore", recipes.ignore, recipes.IGNORED),
    Target("layout", lambda data: images.layout(data, SCRATCH), images.LAYOUTS),
    Target("manifest", images.manifest, images.MANIFESTS),
    Target("image config", images.config, images.CONFIGS),
    Target("accounts", images.accounts, images.ACCOUNTS),
]
