"""A root filesystem that holds every awkward thing that Linux allows, made with real system calls.

Each group is a directory of its own, so a difference says at once what went wrong. Needs root, and
a file system with extended attributes and ACLs; what ext4 takes is the measure (inodes of 256 bytes
and one block of 4,096 for the extended attributes of an entry).

Two builds are equal in everything that the comparisons of `tests.support.compare` look at.
"""

from __future__ import annotations

import errno
import hashlib
import os
from typing import TYPE_CHECKING

from tests.support.builder import MTIME, Attributes, Builder, acl, capability

if TYPE_CHECKING:
    from pathlib import Path

SECOND = 1_000_000_000

MTIMES = {
    b"before-1970": -5 * SECOND - 1,  # -5.000000001
    b"just-before-1970": -1,
    b"epoch": 0,
    b"first-nanosecond": 1,
    b"quarter": 1_600_000_000_250_000_000,
    b"last-of-32-bits": (2**31 - 1) * SECOND + 999_999_999,
    b"after-2038": 2**31 * SECOND,
    b"after-2106": 2**32 * SECOND + 5,
    b"first-of-ext4": -(2**31) * SECOND,
    b"last-of-ext4": (3 * 2**32 + 2**31 - 1) * SECOND,
}

OWNERS = [
    (0, 0),
    (1000, 100),
    (65534, 65534),
    (65535, 65535),
    (65536, 65536),  # the first that a container's range does not hold
    (2**31 - 1, 2**31),
    (2**31, 2**31 - 1),
    (2**32 - 2, 2**32 - 2),
    (0, 2**32 - 2),
]

MODES = (
    0o0,
    0o1,
    0o400,
    0o644,
    0o755,
    0o777,
    0o1644,
    0o2644,
    0o2755,
    0o4711,
    0o4755,
    0o6755,
    0o7777,
)

_INVISIBLE = [*range(0x200C, 0x2010), *range(0x202A, 0x202F), *range(0x206A, 0x2070), 0xFEFF]
"""The characters that HFS+ leaves out of a name (git: utf8.c, next_hfs_char)."""

GIT_NAMES = [
    *(b".git", b".GIT", b".Git", b"git~1", b"GIT~1", b"git~1 ", b"git~1.", b"git~2"),
    *(b".git ", b".git.", b".git. .", b".git:x", b".git::$INDEX_ALLOCATION", b"git~1:x"),
    *(f".g{chr(point)}it".encode() for point in _INVISIBLE),
    *("\u200c.git".encode(), ".git\ufeff".encode(), ".gi\u200dtmodules".encode()),
    *(b"\\.git", b"a\\.git", b"\\git~1", b".git\\x", b"a\\.GIT\\b", b"\\.gitmodules"),
    *(b".gitmodules", b".GITMODULES", b".gitmodules ", b".gitmodules.", b".gitmodules:x"),
    *(b".gitattributes", b".gitignore", b".mailmap", b".GitAttributes", b".MAILMAP "),
    *(b"gitmod~1", b"GITMOD~4", b"gitatt~1", b"gitign~1", b"mailma~1", b"gi7eba~1", b"GI7EBA~9"),
    *(b"gi7d29~1", b"gi250a~1", b"maba30~1", b"gi7eb~10", b"~1000000"),
]

NAMES = [
    *(bytes([byte]) for byte in range(1, 256) if byte not in b"./"),
    *(b"%meta", b"%25", b"%2E", b"%2e", b"%ZZ", b"%", b"100%", b"a%20b", b"%%", b"%meta%", b"% "),
    *(b"-rf", b"--", b"--help", b"a b", b" leading", b"trailing ", b"trailing.", b"...", b"..a"),
    *(b"new\nline", b"\n\n", b"tab\there", b"return\r", b"back\\slash", b"\\", b"\\n", b"\\\\"),
    *(b'"quoted"', b"'quoted'", b"$(id)", b"`id`", b"*", b"?", b"[a]", b"{a,b}", b"~", b"#", b"!"),
    *(b"con", b"aux.txt", b"nul ", b"a:b", b"c:\\x", b"a|b", b"<a>", b"=", b"a=b", b"@", b"@{0}"),
    *("é".encode(), "e\u0301".encode(), "\u202egpj.exe".encode(), "日本語".encode(), "🐧".encode()),
    *(b"\xff\xfe", b"\xc0\xaf", b"\xed\xa0\x80", b"latin-\xe9", b"\xf4\x90\x80\x80", b"\x80"),
    *(b"rootfs", b"config.json", b"links", b"format", b"HEAD", b"refs", b"objects", b"meta"),
    *(b".wh.file", b".wh..wh..opq", b".wh.", b".wh..", b"..wh"),
    *(b"n" * 255, b"%" * 255, b"\xff" * 255, b"\\" * 255, b".git" + b" " * 251, "é".encode() * 127),
]
"""Beside those of Git. Sorted by nobody; each is a file of its own."""

XATTR_NAMES = [
    *(b"user.plain", b"user.new\nline", b"user.sp ace"),
    *(b"user.\xff\xfe", "user.é".encode(), b"user.overlay.opaque", b"user." + b"n" * 250),
]

XATTR_NAMES_ESCAPED = [b"user.a=b", b"user.100%", b"user.%3D"]
"""Those that a tar archive has to escape."""

_ACCESS = acl(
    [
        ("user", None, 6),
        ("USER", 1000, 7),
        ("USER", 2**32 - 2, 4),
        ("group", None, 4),
        ("GROUP", 100, 5),
        ("GROUP", 70000, 1),
        ("mask", None, 7),
        ("other", None, 0),
    ]
)
_DEFAULT = acl(
    [
        ("user", None, 7),
        ("USER", 1001, 5),
        ("group", None, 5),
        ("mask", None, 5),
        ("other", None, 1),
    ]
)
_BINARY = bytes(range(256)) + b"\n=%\0" * 3


def build(root: Path, *, linked_nodes: bool = False, for_erofs: bool = False) -> None:
    """Make the tree in `root`, a directory that does not exist yet.

    `linked_nodes` adds devices and FIFOs with several names, which GNU tar archives as so many
    nodes. `for_erofs` leaves out what the EROFS form of a layer cannot hold: fractional times
    before 1970, `=` and `%` in the names of extended attributes. Sockets, which no archive keeps,
    come with `add_sockets`; a file of over 2 GiB, with `build_huge`.
    """
    root.mkdir()
    builder = Builder(os.fsencode(root))
    builder.directory(b"", Attributes(0o751, 3, 4, MTIME + 1, {b"user.root": b"of it all"}))
    for part in (
        *(_contents, _modes, _owners, _times, _nodes, _symlinks, _links, _directories),
        *(_names, _git_names, _xattrs, _overlay_xattrs, _privileges, _sparse, _paths),
    ):
        part(builder)
    if not for_erofs:
        _not_for_erofs(builder)
    if linked_nodes:
        _linked_nodes(builder)
    builder.finish()


def add_sockets(root: Path) -> list[bytes]:
    """Put sockets into a tree and return their paths; they are what is dropped on the way."""
    builder = Builder(os.fsencode(root))
    names = [b"contents/socket", b"names/socket\n", b"git/as-directory/.git/socket"]
    kept = {os.path.dirname(name): os.stat(builder.path(os.path.dirname(name))) for name in names}
    for name in names:
        builder.socket(name)
    for directory, before in kept.items():
        os.utime(builder.path(directory), ns=(before.st_atime_ns, before.st_mtime_ns))
    return names


def noise(size: int, seed: bytes = b"") -> bytes:
    """Bytes that do not compress, the same each time."""
    return hashlib.shake_128(seed).digest(size)


def _contents(builder: Builder) -> None:
    builder.directory(b"contents")
    for name, content in {
        b"empty": b"",
        b"empty-too": b"",
        b"one": b"\n",
        b"no-newline": b"text",
        b"crlf": b"text\r\n" * 10,
        b"nul": b"\0" * 100,
        b"noise": noise(3_000_000),
        b"text": b"".join(b"line %d\n" % number for number in range(50_000)),
        b"object": b"blob 5\0hello",
        b"lfs": b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n",
        b"conflict": b"<<<<<<< ours\n=======\n>>>>>>> theirs\n",
    }.items():
        builder.file(b"contents/" + name, content)


def _modes(builder: Builder) -> None:
    builder.directory(b"modes")
    for mode in MODES:
        builder.file(b"modes/file-%04o" % mode, b"mode\n", Attributes(mode))
        builder.directory(b"modes/directory-%04o" % mode, Attributes(mode))
        builder.file(b"modes/directory-%04o/inside" % mode)


def _owners(builder: Builder) -> None:
    builder.directory(b"owners")
    for number, (uid, gid) in enumerate(OWNERS):
        owner = Attributes(uid=uid, gid=gid)
        builder.file(b"owners/file-%d" % number, b"owned\n", owner)
        builder.directory(b"owners/directory-%d" % number, owner)
        builder.symlink(b"owners/symlink-%d" % number, b"elsewhere", owner)
        builder.node(b"owners/fifo-%d" % number, "fifo", attributes=owner)
    builder.file(b"owners/setuid", b"owned\n", Attributes(0o6755, 1000, 1000))


def _times(builder: Builder) -> None:
    builder.directory(b"times")
    for name, mtime in MTIMES.items():
        if not _is_early_fraction(mtime):
            _time(builder, name, mtime)


def _is_early_fraction(mtime: int) -> bool:
    return mtime < 0 and mtime % SECOND != 0


def _time(builder: Builder, name: bytes, mtime: int) -> None:
    at = Attributes(mtime=mtime)
    builder.file(b"times/file-" + name, b"then\n", at)
    builder.symlink(b"times/symlink-" + name, name, at)
    builder.node(b"times/fifo-" + name, "fifo", attributes=at)
    builder.directory(b"times/directory-" + name, at)
    builder.file(b"times/directory-" + name + b"/later")


def _not_for_erofs(builder: Builder) -> None:
    for name, mtime in MTIMES.items():
        if _is_early_fraction(mtime):
            _time(builder, name, mtime)
    builder.directory(b"xattr-names")
    for number, name in enumerate(XATTR_NAMES_ESCAPED):
        marked = Attributes(xattrs={name: b"value"})
        builder.file(b"xattr-names/%d" % number, b"", marked)


def _nodes(builder: Builder) -> None:
    builder.directory(b"nodes")
    builder.node(b"nodes/null", "character", (1, 3), Attributes(0o666))
    builder.node(b"nodes/tty", "character", (5, 0), Attributes(0o620, gid=5))
    builder.node(b"nodes/largest", "character", (4095, 2**20 - 1), Attributes(0o600))
    builder.node(b"nodes/disk", "block", (8, 1), Attributes(0o660, gid=6))
    builder.node(b"nodes/disk-large", "block", (259, 70_000), Attributes(0o660, gid=6))
    builder.node(b"nodes/block-0-0", "block", (0, 0))
    builder.node(b"nodes/fifo", "fifo", attributes=Attributes(0o640, 5, 6))
    builder.node(b"nodes/fifo\n\xff", "fifo", attributes=Attributes(0o4777))
    marked = Attributes(0o600, xattrs={b"trusted.mark": b"\0node"})
    builder.node(b"nodes/marked-device", "character", (1, 5), marked)
    builder.node(b"nodes/marked-fifo", "fifo", attributes=marked)


def _symlinks(builder: Builder) -> None:
    builder.directory(b"symlinks")
    for name, target in {
        b"absolute": b"/etc/passwd",
        b"outside": b"../../../../../../etc/passwd",
        b"dangling": b"nowhere",
        b"self": b"self",
        b"dot": b".",
        b"slashes": b"//etc///passwd/",
        b"newline": b"new\nline\t%\\",
        b"bytes": b"\xff\xfe/\x80",
        b"spaces": b" a -> b ",
        b"longest": (b"t" * 254 + b"/") * 16 + b"u" * 15,  # 4,095 bytes: PATH_MAX less its NUL
    }.items():
        builder.symlink(b"symlinks/" + name, target)
    marked = Attributes(uid=7, gid=8, mtime=-5 * SECOND, xattrs={b"trusted.mark": b"\0"})
    builder.symlink(b"symlinks/marked", b"/", marked)


def _links(builder: Builder) -> None:
    for name in (b"links", b"links/here", b"links/there", b"links/there/deeper"):
        builder.directory(name)
    builder.file(b"links/here/file", b"one inode\n", Attributes(0o4755, 9, 9))
    builder.file(b"links/here/empty")
    builder.file(b"links/here/odd\n%\xff", b"", Attributes(xattrs={b"user.shared": b"yes"}))
    builder.symlink(b"links/here/symlink", b"target", Attributes(uid=12))
    for name in (b"file", b"empty", b"odd\n%\xff", b"symlink"):
        _link_thrice(builder, name)
    builder.link(b"aaa-linked", b"links/here/file")  # before the others in every order
    builder.file(b"links/twin-1", b"one inode\n")  # alike, and no link
    builder.file(b"links/twin-2", b"one inode\n")


def _linked_nodes(builder: Builder) -> None:
    builder.node(b"links/here/device", "character", (1, 7), Attributes(0o622))
    builder.node(b"links/here/fifo", "fifo", attributes=Attributes(0o622))
    for name in (b"device", b"fifo"):
        _link_thrice(builder, name)


def _link_thrice(builder: Builder, name: bytes) -> None:
    builder.link(b"links/there/deeper/" + name, b"links/here/" + name)
    builder.link(b"links/%" + name, b"links/here/" + name)


def _directories(builder: Builder) -> None:
    for name in (b"directories", b"directories/a", b"directories/a/b", b"directories/a/b/empty"):
        builder.directory(name)
    dressed = Attributes(0o3770, 17, 18, -SECOND, {b"user.a": b"b", b"trusted.c": b"d"})
    builder.directory(b"directories/dressed", dressed)
    # Git sorts a directory as if its name ended in a slash.
    for name in (b"sort", b"sort.d", b"sort-", b"sort0"):
        builder.directory(b"directories/" + name)
        builder.file(b"directories/" + name + b"/file")
        builder.file(b"directories/" + name + b".file")


def _names(builder: Builder) -> None:
    builder.directory(b"names")
    for number, name in enumerate(sorted(set(NAMES))):
        builder.file(b"names/" + name, b"%d\n" % number)
    builder.directory(b"names-of-directories")
    for number, name in enumerate(sorted(set(NAMES))[::7]):
        builder.directory(b"names-of-directories/" + name)
        builder.file(b"names-of-directories/" + name + b"/" + name, b"%d\n" % number)


def _git_names(builder: Builder) -> None:
    for name in (b"git", b"git/as-file", b"git/as-directory", b"git/as-symlink", b"git/as-link"):
        builder.directory(name)
    builder.file(b"git/as-link/origin", b"[core]\n")
    for number, name in enumerate(GIT_NAMES):
        # Contents that are neither a configuration nor attributes, and a URL that Git refuses.
        bad = b'[submodule "x"]\n\turl = --upload-pack=id\n\tpath = ..\n[\xff\0%d' % number
        builder.file(b"git/as-file/" + name, bad)
        builder.directory(b"git/as-directory/" + name)
        builder.file(b"git/as-directory/" + name + b"/HEAD", b"ref: ../../..\n")
        builder.symlink(b"git/as-symlink/" + name, b"../" + name)
    builder.link(b"git/as-link/.git", b"git/as-link/origin")
    builder.link(b"git/as-link/.gitmodules", b"git/as-link/origin")
    builder.file(b".gitattributes", b"* text eol=crlf filter=x\n")
    builder.file(b".gitignore", b"*\n")


def _xattrs(builder: Builder) -> None:
    builder.directory(b"xattrs", Attributes(xattrs={b"user.directory": _BINARY}))
    for number, name in enumerate(XATTR_NAMES):
        builder.file(b"xattrs/name-%d" % number, b"", Attributes(xattrs={name: b"value"}))
    for name, value in {
        b"empty": b"",
        b"nul": b"\0",
        b"newline": b"\n",
        b"binary": _BINARY,
        b"equals": b"=%3D%\n12 a=b\n",
    }.items():
        values = {b"user.v": value, b"trusted.v": value, b"security.v": value}
        builder.file(b"xattrs/value-" + name, b"", Attributes(xattrs=values))
    many = {b"user.%03d" % number: b"%d" % number for number in range(100)}
    builder.file(b"xattrs/many", b"", Attributes(xattrs=many))
    builder.file(b"xattrs/largest")
    _fill_xattr(builder.path(b"xattrs/largest"))
    os.utime(builder.path(b"xattrs/largest"), ns=(MTIME, MTIME))


def _fill_xattr(path: bytes) -> None:
    """Set one extended attribute of about the size that the file system takes, in steps of 64."""
    for size in range(4096, 0, -64):
        try:
            os.setxattr(path, b"user.large", noise(size))
        except OSError as error:
            if error.errno not in {errno.ENOSPC, errno.E2BIG}:
                raise
        else:
            return
    raise OSError(errno.ENOSPC, "no room for an extended attribute", path)


def _overlay_xattrs(builder: Builder) -> None:
    """What overlayfs would take for its own, in an image that was itself made of a layer."""
    builder.directory(b"overlay")
    for name, value in {
        b"opaque": b"y",
        b"redirect": b"/secret",
        b"impure": b"y",
        b"overlay.opaque": b"y",
        b"overlay.overlay.opaque": b"y",
    }.items():
        marked = Attributes(xattrs={b"trusted.overlay." + name: value})
        builder.directory(b"overlay/directory-" + name, marked)
        builder.file(b"overlay/directory-" + name + b"/visible")
    for name, value in {
        b"metacopy": b"",
        b"redirect": b"/secret",
        b"origin": b"\0\xfb\x1d\0",
        b"nlink": b"U+1",
        b"protattr": b"i",
        b"overlay.metacopy": b"",
    }.items():
        marked = Attributes(xattrs={b"trusted.overlay." + name: value})
        builder.file(b"overlay/file-" + name, b"visible\n", marked)


def _privileges(builder: Builder) -> None:
    builder.directory(b"privileges", Attributes(xattrs={b"system.posix_acl_default": _DEFAULT}))
    for name, value in {
        b"capability-2": capability(1 << 13),
        b"capability-3": capability(1 << 10, root=1000),
        b"capability-3-outside": capability(1 << 10, root=100_000),
    }.items():
        capable = Attributes(0o755, xattrs={b"security.capability": value})
        builder.file(b"privileges/" + name, b"#!\n", capable)
    both = {b"system.posix_acl_access": _ACCESS, b"system.posix_acl_default": _DEFAULT}
    builder.directory(b"privileges/acl-both", Attributes(0o2770, 1000, 100, xattrs=both))
    listed = Attributes(0o770, 1000, 100, xattrs={b"system.posix_acl_access": _ACCESS})
    builder.file(b"privileges/acl-access", b"listed\n", listed)
    everything = {
        b"security.capability": capability(1 << 7),
        b"system.posix_acl_access": _ACCESS,
        b"user.also": b"this",
    }
    builder.file(b"privileges/everything", b"#!\n", Attributes(0o6775, xattrs=everything))


def _sparse(builder: Builder) -> None:
    builder.directory(b"sparse")
    mebibyte = 2**20
    builder.sparse(b"sparse/hole-alone", [], 5 * mebibyte)
    builder.sparse(b"sparse/hole-first", [(4 * mebibyte, b"end")], 4 * mebibyte + 3)
    builder.sparse(b"sparse/hole-last", [(0, b"begin")], 3 * mebibyte + 1)
    builder.sparse(b"sparse/hole-within", [(0, b"a"), (2 * mebibyte, b"b")], 2 * mebibyte + 1)
    pieces = [(number * 65536, noise(4096, b"%d" % number)) for number in range(40)]
    builder.sparse(b"sparse/holes", pieces, 3 * mebibyte)
    builder.sparse(b"sparse/large", [(mebibyte, noise(mebibyte))], 80 * mebibyte)


def _paths(builder: Builder) -> None:
    """A path of 4,090 bytes, and one of 1,016 levels: over Python's stack, under rsync's 1,024."""
    long = [b"%x" % (number % 16) * 254 for number in range(15)]
    rest = 4090 - len(b"paths-long/") - sum(len(component) + 1 for component in long)
    builder.chain(b"paths-long", [*long, b"f" * rest], b"far\n")
    builder.chain(b"paths-deep", [b"d"] * 1015 + [b"file"], b"deep\n")


HUGE = 2**31 + 2**22
"""Bytes, more than a signed number of 32 bits counts, or one sendfile(2) takes."""


def build_huge(root: Path, size: int = HUGE) -> None:
    """The one file of over 2 GiB alone, for what need not be done to all the rest as well."""
    root.mkdir()
    builder = Builder(os.fsencode(root))
    pieces = [(0, noise(2**22)), (size // 2, noise(2**22, b"middle")), (size - 9, b"very last")]
    builder.sparse(b"huge", pieces, size)
    builder.finish()
