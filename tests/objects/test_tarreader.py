"""Archives as strangers make them: what is legal resolves inside the root, the rest is refused."""

from __future__ import annotations

import io
import subprocess
import tarfile
from typing import TYPE_CHECKING

import pytest

from lxgit.errors import LxgitError
from lxgit.objects.filetree import InvalidPath
from lxgit.objects.metadata import Kind
from lxgit.objects.tarreader import read_tar
from lxgit.objects.tarsource import InvalidArchive, open_archive
from lxgit.progress import NullProgress
from tests.support.archives import (
    DIRECTORY,
    END,
    LINK,
    SYMLINK,
    Archive,
    base_256,
    extended,
    header,
    octal,
    paths,
    read,
    record,
)
from tests.support.builder import acl, capability
from tests.support.stores import Listener

if TYPE_CHECKING:
    from pathlib import Path

    from lxgit.objects.filetree import FileTree, Node


def test_names_are_taken_from_the_root(tmp_path: Path) -> None:
    tree = read(tmp_path, Archive().add("/abs").add("./dot").add("a//b/./c").add("./", DIRECTORY))
    assert paths(tree) == {
        b"abs": Kind.FILE,
        b"dot": Kind.FILE,
        b"a": Kind.DIRECTORY,
        b"a/b": Kind.DIRECTORY,
        b"a/b/c": Kind.FILE,
    }


@pytest.mark.parametrize("name", ["../x", "a/../../x", "a/..", "..", "x" * 256])
def test_names_that_lead_out_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidPath):
        read(tmp_path, Archive().add(name))


@pytest.mark.parametrize("target", ["/usr/lib", "usr/lib", "../../usr/lib", "/../usr/./lib/"])
def test_a_parent_that_is_a_link_resolves_inside(tmp_path: Path, target: str) -> None:
    archive = Archive().add("usr/lib", DIRECTORY).add("lib", SYMLINK, target).add("lib/x")
    tree = read(tmp_path, archive)
    assert paths(tree)[b"usr/lib/x"] is Kind.FILE
    assert paths(tree)[b"lib"] is Kind.SYMLINK


def test_chains_of_links_end(tmp_path: Path) -> None:
    archive = Archive().add("a", SYMLINK, "b").add("b", SYMLINK, "a").add("a/x")
    with pytest.raises(InvalidPath, match="too many symbolic links"):
        read(tmp_path, archive)


def test_the_last_of_the_same_name_stays(tmp_path: Path) -> None:
    archive = Archive().add("a", content=b"1").add("d/x").add("d", SYMLINK, "/etc").add("d/y")
    tree = read(tmp_path, archive.add("a", content=b"22").add("e", DIRECTORY).add("e"))
    assert paths(tree) == {
        b"a": Kind.FILE,
        b"d": Kind.SYMLINK,
        b"etc": Kind.DIRECTORY,
        b"etc/y": Kind.FILE,
        b"e": Kind.FILE,
    }
    node = tree.find(b"a")
    assert node is not None
    assert node.content is not None
    assert node.content.size == 2


def test_a_directory_named_again_keeps_what_is_in_it(tmp_path: Path) -> None:
    tree = read(tmp_path, Archive().add("d/x").add("d", DIRECTORY, mode=0o700))
    node = tree.find(b"d")
    assert node is not None
    assert node.metadata.mode == 0o700
    assert paths(tree)[b"d/x"] is Kind.FILE


def test_hard_links(tmp_path: Path) -> None:
    archive = Archive().add("a", content=b"x").add("d/b", LINK, "a").add("c", LINK, "/d/b")
    assert read(tmp_path, archive).links().groups == ((b"a", b"c", b"d/b"),)


@pytest.mark.parametrize("target", ["nothing", "../a", "/etc/passwd", "d", ""])
def test_hard_links_to_what_is_no_file_are_refused(tmp_path: Path, target: str) -> None:
    with pytest.raises(InvalidPath):
        read(tmp_path, Archive().add("d", DIRECTORY).add("b", LINK, target))


def test_what_is_below_a_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidPath, match="below a file"):
        read(tmp_path, Archive().add("a").add("a/b"))


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("1.25", 1_250_000_000),
        ("-5.000000001", -5_000_000_001),
        ("-0.5", -500_000_000),
        ("4294967296.999999999", 4294967296_999999999),
        ("1700000000.12345678987", 1700000000_123456789),
    ],
)
def test_mtimes_to_the_nanosecond(tmp_path: Path, text: str, nanoseconds: int) -> None:
    node = read(tmp_path, Archive().add("a", pax={"mtime": text})).find(b"a")
    assert node is not None
    assert node.metadata.mtime == nanoseconds


@pytest.mark.parametrize(
    "pax",
    [
        {"mtime": "1e5"},
        {"mtime": "99999999999999999999999"},
        {"mtime": "nan"},
        {"uid": "4294967295"},
        {"gid": "-1"},
        {"size": "-1"},
        {"size": "99999999999999"},
        {"SCHILY.xattr.user.": "x"},
        {"LIBARCHIVE.xattr.user.%00": "eA"},
        {"SCHILY.xattr.security.capability": "zz"},
        {"SCHILY.xattr.security.capability": "\1\1\0\2" + "\0" * 16},
        {"SCHILY.xattr.system.posix_acl_access": "x"},
        {"SCHILY.acl.access": "user::rwx,user:nobody-here:rwx,group::r-x,mask::rwx,other::r-x"},
        {"SCHILY.acl.access": "nonsense"},
        {"GNU.sparse.map": "0,-5", "GNU.sparse.size": "10"},
        {"GNU.sparse.map": "5,10,0,3", "GNU.sparse.size": "3"},
    ],
)
def test_bad_headers_are_refused(tmp_path: Path, pax: dict[str, str]) -> None:
    with pytest.raises(LxgitError):
        read(tmp_path, Archive().add("a", content=b"0123456789", pax=pax))


def test_attributes_of_other_systems_are_left_out(tmp_path: Path) -> None:
    """An archive of a Mac is taken, without what no kernel would take of it."""
    theirs = {"SCHILY.xattr.com.apple.quarantine": "x" * 100_000, "SCHILY.xattr.user.note": "y"}
    theirs |= {"SCHILY.xattr.nodot": "x", "LIBARCHIVE.xattr.bogus.%00": "eA"}
    text = {"SCHILY.acl.access": "user::rwx,user:5:r--,group::r--,mask::r--,other::---"}
    archive = Archive().add("a", pax=theirs).add("b", SYMLINK, "a", pax={**theirs, **text})
    listener = Listener()
    (tmp_path / "theirs.tar").write_bytes(archive.raw())
    with open_archive(tmp_path / "theirs.tar", None, tmp_path) as opened:
        tree = read_tar(opened, listener)
    (file, link) = (tree.find(name) for name in (b"a", b"b"))
    assert file is not None
    assert link is not None
    assert file.metadata.xattrs == ((b"user.note", b"y"),)
    assert (link.metadata.mode, link.metadata.xattrs) == (0o777, ())
    (told,) = listener.warnings
    assert told.startswith("left out 7 extended attributes")


def test_a_capability_for_the_machines_own_root(tmp_path: Path) -> None:
    """It is of revision 2, however the archive spells it."""
    written = record(b"SCHILY.xattr.security.capability", capability(1 << 13, root=0))
    node = read(tmp_path, extended(written) + header() + END).find(b"a")
    assert node is not None
    assert node.metadata.xattrs == ((b"security.capability", capability(1 << 13)),)


def test_acls_of_three_entries(tmp_path: Path) -> None:
    """One for what is made in a directory says something; that of a file is its mode."""
    text = "user::rwx\ngroup::r-x\nother::---\n"
    pax = {"SCHILY.acl.access": text, "SCHILY.acl.default": text}
    node = read(tmp_path, Archive().add("d", DIRECTORY, mode=0o750, pax=pax)).find(b"d")
    assert node is not None
    value = acl([("user", None, 7), ("group", None, 5), ("other", None, 0)])
    assert node.metadata.xattrs == ((b"system.posix_acl_default", value),)


def test_names_in_acls_are_those_of_the_image(tmp_path: Path) -> None:
    text = "user::rw-,user:joe:r--,group::r--,mask::r--,other::---"
    archive = Archive().add("a", pax={"SCHILY.acl.access": text})
    node = read(tmp_path, archive.add("etc/passwd", content=b"joe:x:1234:5::/:/bin/sh\n")).find(
        b"a"
    )
    assert node is not None
    (name, value) = node.metadata.xattrs[0]
    assert name == b"system.posix_acl_access"
    assert (1234).to_bytes(4, "little") in value
    assert node.metadata.mode == 0o640


@pytest.mark.parametrize("number", ["\u00b2", "9" * 5000, "-1", "", "1e3"])
def test_a_name_with_a_number_that_is_none_is_unknown(tmp_path: Path, number: str) -> None:
    text = "user::rw-,user:joe:r--,group::r--,mask::r--,other::---"
    archive = Archive().add("a", pax={"SCHILY.acl.access": text})
    content = f"joe:x:{number}:5::/:/bin/sh\n".encode()
    with pytest.raises(LxgitError, match="joe"):
        read(tmp_path, archive.add("etc/passwd", content=content))


def whole() -> bytes:
    archive = Archive().add("d", DIRECTORY, mode=0o700)
    archive.add("d/a", content=b"x" * 1000, pax={"SCHILY.xattr.user.x": "y", "mtime": "1.5"})
    return archive.add("d/b", LINK, "d/a").add("l", SYMLINK, "d/a").raw()


@pytest.mark.parametrize("cut", [1, 511, 512, 1024, 1536, 2048, 3000, 4096, 5000])
def test_an_archive_that_is_cut_short_is_refused(tmp_path: Path, cut: int) -> None:
    data = whole().rstrip(b"\0")
    with pytest.raises((InvalidArchive, LxgitError)):
        read(tmp_path, data[: min(cut, len(data) - 1)])


def test_what_is_no_archive(tmp_path: Path) -> None:
    for data in (b"", b"hello", b"\x1f\x8b\x08nonsense", b"BZh9nonsense", bytes(300), b"x" * 5000):
        with pytest.raises(InvalidArchive):
            read(tmp_path, data)


def test_a_header_that_claims_gigabytes(tmp_path: Path) -> None:
    member = tarfile.TarInfo("x")
    member.type, member.size = tarfile.XHDTYPE, 1 << 32
    with pytest.raises(InvalidArchive, match="16 MiB"):
        read(tmp_path, member.tobuf(tarfile.USTAR_FORMAT) + bytes(10240))


def only(tree: FileTree) -> Node:
    """The one file in it."""
    (path,) = (path for path, node in tree.walk() if node.kind is not Kind.DIRECTORY)
    node = tree.find(path)
    assert node is not None
    return node


@pytest.mark.parametrize(
    ("fields", "found"),
    [
        ({"mode": b"   644 \0", "uid": b"    12 \0"}, (0o644, 0o12, 0, 0)),
        ({"mode": b"0100755\0", "gid": b"00000017"}, (0o755, 0, 0o17, 0)),
        ({"mode": b"644\0junk", "mtime": b"00000000005 "}, (0o644, 0, 0, 5)),
        ({"mode": b"", "uid": b"        ", "mtime": b""}, (0, 0, 0, 0)),
        ({"uid": base_256(2**32 - 2, 8), "mtime": base_256(-5)}, (0o644, 2**32 - 2, 0, -5)),
        ({"mtime": base_256(2**40)}, (0o644, 0, 0, 2**40)),
        ({"mtime": b"777777777777"}, (0o644, 0, 0, 0o777777777777)),
    ],
)
def test_numbers_as_many_tars_write_them(
    tmp_path: Path, fields: dict[str, bytes], found: tuple[int, ...]
) -> None:
    metadata = only(read(tmp_path, header(b"a", **fields) + END)).metadata
    assert (metadata.mode, metadata.uid, metadata.gid, metadata.mtime // 10**9) == found


@pytest.mark.parametrize(
    "fields",
    [
        {"size": b"-0000000001\0"},
        {"size": b"+0000000001\0"},
        {"size": b"0_1"},
        {"size": b"0o17"},
        {"size": b"00000000008\0"},
        {"size": b"1 1"},
        {"size": base_256(-1)},
        {"size": base_256(2**63)},
        {"mode": b"rwxr-xr-"},
        {"uid": base_256(-1, 8)},
        {"gid": base_256(2**32 - 1, 8)},
        {"mtime": base_256(2**70)},
        {"mtime": b"tomorrow"},
        {"kind": b"3", "rest": bytes(64) + octal(4096, 8) + octal(0, 8)},
        {"kind": b"4", "rest": bytes(64) + octal(0, 8) + base_256(2**20, 8)},
        {"kind": b"D"},
        {"kind": b"M"},
        {"kind": b"N"},
        {"kind": b"Z"},
    ],
)
def test_fields_that_mean_nothing_are_refused(tmp_path: Path, fields: dict[str, bytes]) -> None:
    with pytest.raises(InvalidArchive):
        read(tmp_path, header(b"a", **fields) + END)


def test_where_a_name_stands(tmp_path: Path) -> None:
    prefix = b"p" * 60 + b"/" + b"q" * 60
    posix = header(b"n" * 100, rest=bytes(80) + prefix)
    gnu = header(b"gnu", magic=b"ustar  \0", rest=bytes(80) + b"00000000001\0")
    star = header(
        b"star", rest=bytes(80) + (b"x".ljust(131, b"\0") + b"5" * 24).ljust(163) + b"tar\0"
    )
    long = extended(b"l" * 200 + b"\0junk", b"L") + header(b"l" * 100)
    link = extended(b"t" * 300, b"K") + header(b"link", b"2", link=b"t" * 100)
    tree = read(tmp_path, posix + gnu + star + long + link + END)
    assert paths(tree).keys() == {
        *(b"p" * 60, prefix, prefix + b"/" + b"n" * 100),
        *(b"gnu", b"x", b"x/star", b"l" * 200, b"link"),
    }
    node = tree.find(b"link")
    assert node is not None
    assert node.target == b"t" * 300


def test_a_directory_of_v7_is_a_file_with_a_slash(tmp_path: Path) -> None:
    tree = read(tmp_path, header(b"a/", b"\0", magic=b"", size=octal(5)) + header(b"b/") + END)
    assert paths(tree) == {b"a": Kind.DIRECTORY, b"b": Kind.DIRECTORY}


def test_the_size_of_what_has_no_data_is_not_looked_at(tmp_path: Path) -> None:
    """As Docker, bsdtar and Python read it: a directory's size says something else, or nothing."""
    sized = b"".join(
        header(name, kind, size=octal(1 << 30), link=link)
        for name, kind, link in (
            *((b"d", b"5", b""), (b"s", b"2", b"d"), (b"p", b"6", b"")),
            *((b"f", b"3", b""), (b"h", b"1", b"p")),
        )
    )
    assert len(paths(read(tmp_path, sized + END))) == 5


@pytest.mark.parametrize("kind", [b"x", b"X"])
def test_records_come_before_fields(tmp_path: Path, kind: bytes) -> None:
    records = record(b"path", b"new") + record(b"uid", b"1") + record(b"uid", b"2")
    records += record(b"size", b"3") + record(b"mtime", b"7.5") + record(b"uname", b"root")
    data = extended(records, kind) + header(b"old", size=octal(600)) + b"abc".ljust(512, b"\0")
    node = only(read(tmp_path, data + header(b"next", b"5") + END))
    assert node.content is not None
    assert (node.metadata.uid, node.metadata.mtime) == (2, 7_500_000_000)
    assert node.content.size == 3


def test_records_for_all(tmp_path: Path) -> None:
    common = extended(
        record(b"uid", b"5") + record(b"mtime", b"9") + record(b"comment", b"x"), b"g"
    )
    own = extended(record(b"uid", b"6") + record(b"mtime", b""))  # as the block has it
    tree = read(tmp_path, common + header(b"a") + own + header(b"b") + header(b"c") + END)
    found = [(node.metadata.uid, node.metadata.mtime) for path, node in tree.walk() if path]
    assert found == [(5, 9 * 10**9), (6, 0), (5, 9 * 10**9)]


@pytest.mark.parametrize("checksum", ["signed", "unsigned"])
def test_a_checksum_of_signed_bytes(tmp_path: Path, checksum: str) -> None:
    block = bytearray(header(b"\xff\xfe" * 20))
    if checksum == "signed":
        bare = block[:148] + b" " * 8 + block[156:]
        block[148:156] = b"%06o\0 " % sum(memoryview(bare).cast("b"))
    assert paths(read(tmp_path, bytes(block) + END)).keys() == {b"\xff\xfe" * 20}


def test_a_pipe_that_somebody_has_looked_into(tmp_path: Path) -> None:
    """Python's own pipes are buffered, and what is in the buffer comes first."""
    data = b"".join(header(b"%d" % number) for number in range(100)) + END
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert isinstance(process.stdout, io.BufferedReader)
        process.stdin.write(data)
        process.stdin.close()
        assert process.stdout.peek(1)
        with open_archive(None, process.stdout, tmp_path) as archive:
            assert len(paths(read_tar(archive, NullProgress()))) == 100
