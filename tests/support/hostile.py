"""Archives that strangers might make to do harm: one table, for the reader and for the program.

A case is an archive and what becomes of it: the names that stand in the image, or the words of the
refusal. Nothing is ever written anywhere else.
"""

from __future__ import annotations

import tarfile

from tests.support.archives import (
    BLOCK_DEVICE,
    CHARACTER,
    DIRECTORY,
    END,
    FIFO,
    LINK,
    SYMLINK,
    Archive,
    base_256,
    extended,
    header,
    octal,
    record,
)
from tests.support.hostile_headers import HEADERS, Case

FOREIGN = "is not a path inside a root file system"


def _names() -> list[Case]:
    return [
        *(
            Case(f"name {name!r}", Archive().add(name).raw(), FOREIGN)
            for name in ("../x", "a/../../x", "a/..", "..", "/..", "/../../etc/passwd", "a/../b")
        ),
        Case("an absolute name", lambda: Archive().add("/etc/passwd"), "", ("etc/", "etc/passwd")),
        Case("slashes and dots", lambda: Archive().add("//./a//./b"), "", ("a/", "a/b")),
        Case("a name of 256 bytes", lambda: Archive().add("n" * 256), FOREIGN),
        Case("a name of 255 bytes", lambda: Archive().add("n" * 255), "", ("n" * 255,)),
        Case("no name", lambda: header(b"") + END, "the root of the file system is a file"),
        Case(
            "a root that is a link",
            lambda: Archive().add(".", SYMLINK, "/"),
            "the root of the file system is a symlink",
        ),
        Case(
            "a NUL in a name",
            lambda: extended(record(b"path", b"a\0/../b")) + header() + END,
            FOREIGN,
        ),
        Case(
            "a name that only its long form has",
            lambda: extended(b"../../etc/x\0", b"L") + header(b"etc/x") + END,
            FOREIGN,
        ),
        Case(
            "names that Git refuses",
            lambda: (
                Archive().add(".git/config").add(".GIT", SYMLINK, "x").add("%meta").add("git~1")
            ),
            "",
            (".git/", ".git/config", ".GIT -> x", "%meta", "git~1"),
        ),
        Case(
            "10,000 levels",
            lambda: Archive(tarfile.PAX_FORMAT).add("d/" * 10_000 + "x"),
            "is more than 2000 levels deep",
        ),
        Case(
            "10,000 levels, one by one",
            lambda: _levels(10_000),
            "is more than 2000 levels deep",
        ),
    ]


def _levels(count: int) -> Archive:
    archive = Archive(tarfile.GNU_FORMAT)
    for level in range(100, count, 100):
        archive.add("d/" * level, DIRECTORY)
    return archive


def _links() -> list[Case]:
    def through(target: str, *more: str) -> Archive:
        archive = Archive().add("here", SYMLINK, target)
        for name in more:
            archive.add(name)
        return archive

    return [
        Case(
            "through an absolute link",
            lambda: through("/etc", "here/x"),
            "",
            ("here -> /etc", "etc/", "etc/x"),
        ),
        Case(
            "through a link that climbs",
            lambda: through("../../../../tmp/outside", "here/x"),
            "",
            ("here -> ../../../../tmp/outside", "tmp/", "tmp/outside/", "tmp/outside/x"),
        ),
        Case(
            "through a chain of links",
            lambda: (
                Archive()
                .add("a", SYMLINK, "b")
                .add("b", SYMLINK, "/d/c")
                .add("d/c", SYMLINK, "../../../out")
                .add("a/x")
            ),
            "",
            ("a -> b", "b -> /d/c", "d/", "d/c -> ../../../out", "out/", "out/x"),
        ),
        Case(
            "through a link to itself",
            lambda: through("here", "here/x"),
            "goes through too many symbolic links",
        ),
        Case(
            "through links that grow",
            lambda: through("here/here", "here/x"),
            "goes through too many symbolic links",
        ),
        Case(
            "through a link to the root",
            lambda: through("/", "here/here/x"),
            "",
            ("here -> /", "x"),
        ),
        Case(
            "through a link whose target no name can be",
            lambda: through("a/" + "n" * 256, "here/x"),
            FOREIGN,
        ),
        Case(
            "through a link to a file",
            lambda: Archive().add("f").add("here", SYMLINK, "f").add("here/x"),
            "is below a file",
        ),
        Case(
            "a file in place of a link",
            lambda: through("/etc/passwd", "here"),
            "",
            ("here",),
        ),
        Case(
            "a directory in place of a link",
            lambda: (
                Archive().add("e/f").add("here", SYMLINK, "e").add("here", DIRECTORY).add("here/x")
            ),
            "",
            ("e/", "e/f", "here/", "here/x"),
        ),
        Case(
            "file, directory, link",
            lambda: (
                Archive()
                .add("a")
                .add("a", DIRECTORY)
                .add("a/b/c")
                .add("a/b", SYMLINK, "/out")
                .add("a/b/x")
            ),
            "",
            ("a/", "a/b -> /out", "out/", "out/x"),
        ),
        Case(
            "a parent that becomes a link and a directory again",
            lambda: (
                Archive()
                .add("a/one")
                .add("a", SYMLINK, "/out")
                .add("a/two")
                .add("a", DIRECTORY)
                .add("a/three")
            ),
            "",
            ("a/", "a/three", "out/", "out/two"),
        ),
        Case(
            "a link that is moved under the feet of its path",
            lambda: (
                Archive().add("l", SYMLINK, "one").add("l/x").add("l", SYMLINK, "two").add("l/y")
            ),
            "",
            ("l -> two", "one/", "one/x", "two/", "two/y"),
        ),
        Case("a link to nothing", lambda: header(b"l", b"2") + END, "no possible target"),
        Case(
            "a link to 4,096 bytes",
            lambda: Archive().add("l", SYMLINK, "t" * 4096),
            "no possible target",
        ),
        Case(
            "a NUL in a target",
            lambda: extended(record(b"linkpath", b"a\0b")) + header(b"l", b"2") + END,
            "no possible target",
        ),
    ]


def _hard_links() -> list[Case]:
    return [
        *(
            Case(
                f"a hard link to {target!r}",
                Archive().add("d", DIRECTORY).add("b", LINK, target).raw(),
                FOREIGN if ".." in target else "which is no file before it",
            )
            for target in ("/etc/passwd", "../../etc/passwd", "d", "b", "", "/")
        ),
        Case(
            "a hard link to what comes later",
            lambda: Archive().add("b", LINK, "a").add("a"),
            "which is no file before it",
        ),
        Case(
            "a hard link to itself",
            lambda: Archive().add("a").add("a", LINK, "a"),
            "",
            ("a",),
        ),
        Case(
            "a hard link to a link, and a file in its place",
            lambda: (
                Archive()
                .add("l", SYMLINK, "/etc/passwd")
                .add("h", LINK, "l")
                .add("k", LINK, "l")
                .add("h", content=b"root::0:0")
            ),
            "",
            ("l -> /etc/passwd", "h", "k -> /etc/passwd"),
        ),
        Case(
            "a hard link through a link",
            lambda: Archive().add("e/f").add("l", SYMLINK, "/e").add("h", LINK, "l/f"),
            "",
            ("e/", "e/f", "l -> /e", "h"),
        ),
        Case(
            "a hard link through a link that leads out",
            lambda: Archive().add("l", SYMLINK, "../../etc").add("h", LINK, "l/passwd"),
            "which is no file before it",
        ),
        Case(
            "below a hard link",
            lambda: Archive().add("a").add("h", LINK, "a").add("h/x"),
            "is below a file",
        ),
    ]


def _kinds() -> list[Case]:
    whiteouts = (".wh.", ".wh..", ".wh...", ".wh..wh..opq", ".wh..wh.plnk", ".wh.a")
    return [
        Case(
            "names of whiteouts",  # which mean something in layers alone
            lambda: _all(Archive().add("a").add("d/b"), whiteouts).add("d/.wh..wh..opq"),
            "",
            ("a", "d/", "d/b", *whiteouts, "d/.wh..wh..opq"),
        ),
        Case(
            "names of whiteouts on other things",
            lambda: Archive().add(".wh.d", DIRECTORY).add(".wh.l", SYMLINK, "d").add(".wh.d/x"),
            "",
            (".wh.d/", ".wh.d/x", ".wh.l -> d"),
        ),
        Case(
            "overlayfs's whiteout",
            lambda: Archive().add("d/a").add("d/w", CHARACTER),
            "",
            ("d/", "d/a", "d/w"),
        ),
        Case(
            "devices and setuid programs",
            lambda: (
                Archive()
                .add("mem", CHARACTER, devmajor=1, devminor=1, mode=0o666)
                .add("sda", BLOCK_DEVICE, devmajor=8, mode=0o666)
                .add("fifo", FIFO)
                .add("su", content=b"#!", mode=0o7777)
                .add("set", DIRECTORY, mode=0o7777)
            ),
            "",
            ("mem", "sda", "fifo", "su", "set/"),
        ),
        Case(
            "below a device",
            lambda: Archive().add("null", CHARACTER, devmajor=1, devminor=3).add("null/x"),
            "is below a character device",
        ),
        Case("below a FIFO", lambda: Archive().add("p", FIFO).add("p/x"), "is below a fifo"),
        Case(
            "a device of the largest numbers and one more",
            lambda: header(b"c", b"3", rest=bytes(64) + octal(4096, 8) + octal(0, 8)) + END,
            "the impossible device number 4096:0",
        ),
        Case(
            "a negative device",
            lambda: header(b"c", b"3", rest=bytes(64) + base_256(-1, 8) + octal(0, 8)) + END,
            "the impossible device number -1:0",
        ),
        Case("a type that nobody knows", lambda: header(b"a", b"Z") + END, "the member type 'Z'"),
        Case(
            "an owner that is none",
            lambda: header(b"a", uid=base_256(2**32 - 1, 8)) + END,
            "the impossible owner 4294967295",
        ),
        Case(
            "the same name again and again",
            lambda: (
                Archive()
                .add("a")
                .add("a", DIRECTORY)
                .add("a/x")
                .add("a", FIFO)
                .add("a", SYMLINK, "b")
            ),
            "",
            ("a -> b",),
        ),
        Case(
            "attributes that overlayfs obeys",
            lambda: (
                Archive()
                .add("d", DIRECTORY, pax={"SCHILY.xattr.trusted.overlay.opaque": "y"})
                .add("d/x", pax={"SCHILY.xattr.trusted.overlay.redirect": "/secret"})
            ),
            "",
            ("d/", "d/x"),
        ),
    ]


def _all(archive: Archive, names: tuple[str, ...]) -> Archive:
    for name in names:
        archive.add(name)
    return archive


CASES = [*_names(), *_links(), *_hard_links(), *_kinds(), *HEADERS]
