"""Archives as strangers make them: what is legal resolves inside the root, the rest is refused."""

from __future__ import annotations

import io
import tarfile
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lxgit.errors import LxgitError
from lxgit.objects.filetree import FileTree, InvalidPath
from lxgit.objects.metadata import Kind
from lxgit.objects.tarreader import read_tar
from lxgit.objects.tarsource import InvalidArchive, open_archive
from lxgit.progress import NullProgress

if TYPE_CHECKING:
    from pathlib import Path

FILE, LINK, SYMLINK, DIRECTORY = tarfile.REGTYPE, tarfile.LNKTYPE, tarfile.SYMTYPE, tarfile.DIRTYPE


class Archive:
    """Builds an archive, member by member."""

    def __init__(self) -> None:
        self.bytes = io.BytesIO()
        self.tar = tarfile.open(fileobj=self.bytes, mode="w", format=tarfile.PAX_FORMAT)  # noqa: SIM115

    def add(
        self,
        name: str,
        kind: bytes = FILE,
        target: str = "",
        content: bytes = b"",
        pax: dict[str, str] | None = None,
        **values: int,
    ) -> Archive:
        member = tarfile.TarInfo(name)
        member.type, member.linkname, member.size = kind, target, len(content)
        member.mode = 0o755 if kind == DIRECTORY else 0o644
        member.pax_headers = pax or {}
        for key, value in values.items():
            setattr(member, key, value)
        self.tar.addfile(member, io.BytesIO(content))
        return self

    def raw(self) -> bytes:
        self.tar.close()
        return self.bytes.getvalue()


def read(path: Path, data: bytes | Archive) -> FileTree:
    archive = path / "archive.tar"
    archive.write_bytes(data.raw() if isinstance(data, Archive) else data)
    with open_archive(archive, None, path) as opened:
        tree = read_tar(opened, NullProgress())
        for _, node in tree.walk():
            if node.content is not None:
                assert sum(map(len, node.content.chunks())) == node.content.size
        return tree


def paths(tree: FileTree) -> dict[bytes, Kind]:
    return {path: node.kind for path, node in tree.walk() if path}


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
        {"SCHILY.xattr.nodot": "x"},
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


def whole() -> bytes:
    archive = Archive().add("d", DIRECTORY, mode=0o700)
    archive.add("d/a", content=b"x" * 1000, pax={"SCHILY.xattr.user.x": "y", "mtime": "1.5"})
    return archive.add("d/b", LINK, "d/a").add("l", SYMLINK, "d/a").raw()


@pytest.mark.parametrize("cut", [1, 511, 512, 1024, 1536, 2048, 3000, 4096, 5000])
def test_an_archive_that_is_cut_short_is_refused(tmp_path: Path, cut: int) -> None:
    data = whole().rstrip(b"\0")
    with pytest.raises((InvalidArchive, LxgitError)):
        read(tmp_path, data[: min(cut, len(data) - 1)])


@given(st.integers(0, 4608), st.binary(min_size=1, max_size=8))
@settings(max_examples=300)
def test_a_damaged_archive_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, position: int, damage: bytes
) -> None:
    data = bytearray(whole())
    data[position : position + len(damage)] = damage
    try:
        tree = read(tmp_path_factory.mktemp("fuzz"), bytes(data))
    except (LxgitError, AssertionError):
        return
    assert all(b".." not in path.split(b"/") for path, _ in tree.walk())


def test_what_is_no_archive(tmp_path: Path) -> None:
    for data in (b"", b"hello", b"\x1f\x8b\x08nonsense", b"BZh9nonsense", bytes(300), b"x" * 5000):
        with pytest.raises(InvalidArchive):
            read(tmp_path, data)


def test_a_header_that_claims_gigabytes(tmp_path: Path) -> None:
    member = tarfile.TarInfo("x")
    member.type, member.size = tarfile.XHDTYPE, 1 << 32
    with pytest.raises(InvalidArchive, match="16 MiB"):
        read(tmp_path, member.tobuf(tarfile.USTAR_FORMAT) + bytes(10240))
