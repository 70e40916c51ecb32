"""The headers of hostile archives: sizes, numbers, records and maps that lie. See `hostile`."""

from __future__ import annotations

import gzip
import lzma
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.support.archives import (
    END,
    Archive,
    base_256,
    extended,
    header,
    octal,
    padded,
    record,
)

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class Case:
    """`names` of the image, a directory's with its slash, a link's with ` -> ` and its target.

    Without names the archive is refused, and the first line of the error has `fault` in it.
    """

    name: str
    make: Callable[[], bytes | Archive] | bytes
    fault: str = ""
    names: tuple[str, ...] = ()

    def data(self) -> bytes:
        made = self.make() if callable(self.make) else self.make
        return made.raw() if isinstance(made, Archive) else made


def _sizes() -> list[Case]:
    whole = Archive().add("a", content=b"x" * 1000).add("b").raw()
    members = whole[: 512 + 1024 + 512]
    return [
        Case("a negative size", lambda: header(size=base_256(-1)) + END, "the impossible size -1"),
        Case("a size of 2^63", lambda: header(size=base_256(2**63)) + END, "the impossible size"),
        Case(
            "a size of 8 GiB, and no data",
            lambda: header(size=b"77777777777\0") + END,
            "its end is missing",
        ),
        Case(
            "a size of 2^62, and no data",
            lambda: header(size=base_256(2**62)) + END,
            "it unpacks to more than the file system has room for",
        ),
        Case(
            "sizes that overflow together",
            lambda: header(size=base_256(2**62)) * 3 + END,
            "it unpacks to more than the file system has room for",
        ),
        *(
            Case(f"cut after {end} bytes", members[:end], "its end is missing")
            for end in (512, 700, 1536, 2047, 2048)
        ),
        *(
            Case(f"cut after {end} bytes", members[:end], "damaged or no tar archive (no whole")
            for end in (1, 511)
        ),
        Case("nothing", lambda: b"", "its end is missing"),
        Case(
            "two archives",
            lambda: whole + Archive().add("c").raw(),
            "a second archive follows the first",
        ),
        Case(
            "two compressed archives",
            lambda: gzip.compress(whole) + gzip.compress(Archive().add("c").raw()),
            "a second archive follows the first",
        ),
        Case(
            "two compressed archives, the first without its end",
            lambda: gzip.compress(members) + gzip.compress(Archive().add("c").raw()),
            "",
            ("a", "b", "c"),
        ),
        Case("rubbish behind the end", lambda: whole + b"rubbish" * 1000, "", ("a", "b")),
        Case(
            "rubbish behind the compressed end",
            lambda: gzip.compress(whole) + b"rubbish",
            "the archive cannot be unpacked",
        ),
        Case(
            "a header with one bit turned",
            lambda: whole[:1536] + bytes([whole[1536] ^ 1]) + whole[1537:],
            "a header with a wrong checksum",
        ),
        Case(
            "a number that is none",
            lambda: header(size=b"12a") + END,
            "the bad number '12a'",
        ),
    ]


def _extended_headers() -> list[Case]:
    def pax(data: bytes, kind: bytes = b"x") -> bytes:
        return extended(data, kind) + header(b"a") + END

    broken = "an extended header that is no list of records"
    return [
        *(
            Case(f"records {data[:24]!r}", pax(data), broken)
            for data in (
                *(b"9 path=b", b"99 path=b\n", b"8 path=b\n", b"0 path=b\n", b"-9 path=b\n"),
                *(
                    b"9 pathxb\n",
                    b"path=b\n",
                    b" path=b\n",
                    b"9" * 30 + b" path=b\n",
                    b"+9 path=b\n",
                ),
            )
        ),
        *(
            Case(
                f"the number {key.decode()}={value.decode()}",
                pax(record(key, value)),
                "the bad number",
            )
            for key in (b"uid", b"gid", b"size")
            for value in (b"-1", b"1.5", b"0x10", b"1_0", b" 1", b"9" * 30)
        ),
        *(
            Case(
                f"the time {value.decode()}",
                pax(record(b"mtime", value)),
                "the impossible mtime",
            )
            for value in (b"1e5", b"nan", b"inf", b"--1", b"1.-5", b"9" * 19, b"1\0")
        ),
        Case("an owner too large", lambda: pax(record(b"uid", b"4294967295")), "impossible owner"),
        Case("a size too large", lambda: pax(record(b"size", b"%d" % 2**63)), "impossible size"),
        Case("names in another alphabet", lambda: pax(record(b"hdrcharset", b"EBCDIC")), "set"),
        *(
            Case(
                f"one {key.decode()} for all",
                pax(record(key, value), b"g"),
                f"'{key.decode()}' in a header for all members",
            )
            for key, value in (
                (b"path", b"x"),
                (b"size", b"9"),
                (b"GNU.sparse.map", b"0,9"),
                (b"SCHILY.xattr.user.x", b"x" * 60_000),
                (b"LIBARCHIVE.xattr.user.x", b"eHh4"),
                (b"SCHILY.acl.access", b"user::rw-,group::r--,other::r--"),
                (b"SCHILY.acl.default", b"user::rw-,group::r--,other::r--"),
            )
        ),
        Case("no text for all", pax(record(b"GNU.sparse.\xff\n", b"x"), b"g"), r"sparse.\xff\n'"),
        Case(
            "too much for all",
            lambda: pax(record(b"comment", b"x" * 70_000), b"g"),
            "more than 64 KiB of headers for all members",
        ),
        *(
            Case(f"the keyword {key!r}", pax(record(key, b"evil")), "a NUL in a keyword")
            for key in (b"path\0x", b"linkpath\0", b"SCHILY.xattr.user.a\0b")
        ),
        Case("nobody to speak of", lambda: extended(record(b"path", b"x")) + END, "has no member"),
        Case("nobody to name", lambda: extended(b"name", b"L") + END, "has no member"),
        Case(
            "an extended header of gigabytes",
            lambda: header(b"a", b"x", size=octal(1 << 32)) + END,
            "a header of more than 16 MiB",
        ),
        Case(
            "a name of gigabytes",
            lambda: header(b"a", b"L", size=octal(1 << 32)) + END,
            "a header of more than 16 MiB",
        ),
        Case(
            "an attribute larger than Linux has it",
            lambda: pax(record(b"SCHILY.xattr.user.x", b"x" * 65_537)),
            "an extended attribute of 65537 bytes",
        ),
        Case(
            "more attributes than Linux lists",
            lambda: pax(b"".join(record(b"SCHILY.xattr.user.%0200d" % n, b"") for n in range(400))),
            "400 extended attributes",
        ),
        Case(
            "an attribute with a name of 261 bytes",
            lambda: pax(record(b"SCHILY.xattr.user." + b"n" * 256, b"x")),
            "an impossible extended attribute",
        ),
        Case(
            "an attribute that is no base64",
            lambda: pax(record(b"LIBARCHIVE.xattr.user.x", b"?" * 5)),
            "no base64",
        ),
        Case(
            "an ACL that is none",
            lambda: pax(record(b"SCHILY.acl.access", b"user::rwx,mask::")),
            "has a bad ACL",
        ),
    ]


def _sparse_files() -> list[Case]:
    def pax(numbers: bytes, size: bytes = b"100", data: bytes = b"0123456789") -> bytes:
        records = record(b"GNU.sparse.map", numbers) + record(b"GNU.sparse.size", size)
        return extended(records) + header(b"a", size=octal(len(data))) + padded(data) + END

    def newest(text: bytes, size: bytes = b"100", data: bytes = b"0123456789") -> bytes:
        records = record(b"GNU.sparse.major", b"1") + record(b"GNU.sparse.minor", b"0")
        records += record(b"GNU.sparse.name", b"a") + record(b"GNU.sparse.realsize", size)
        stored = padded(text) + data
        return extended(records) + header(b"x", size=octal(len(stored))) + padded(stored) + END

    def oldest(*numbers: int, size: int = 100, more: bytes = b"\0") -> bytes:
        pairs = b"".join(octal(n) for n in numbers).ljust(96, b"\0")
        fields = bytes(121) + pairs + more + octal(size)
        block = header(b"a", b"S", size=octal(10), magic=b"ustar  \0", rest=fields)
        return block + padded(b"0123456789") + END

    impossible = "an impossible sparse map"
    misfit = "a sparse map that does not fit its data"
    return [
        Case("a sparse file", lambda: pax(b"5,4,90,6"), "", ("a",)),
        Case("a sparse file of 1.0", lambda: newest(b"2\n5\n4\n90\n6\n"), "", ("a",)),
        Case("a sparse file of old", lambda: oldest(5, 4, 90, 6), "", ("a",)),
        *(
            Case(f"the map {numbers.decode()}", pax(numbers), fault)
            for numbers, fault in (
                *((b"0,6,5,4", impossible), (b"50,5,0,5", impossible), (b"95,10", impossible)),
                *((b"0,-5", impossible), (b"-5,10", impossible), (b"0,10,", impossible)),
                *((b"0,10,5", impossible), (b"", misfit), (b"x,y", impossible)),
                *((b"0,9", misfit), (b"0,11", misfit), (b"0,0", misfit)),
                (b"0," + b"9" * 30, impossible),
            )
        ),
        *(
            Case(f"the map {text[:12]!r} of 1.0", newest(text), fault)
            for text, fault in (
                *((b"2\n0\n6\n5\n4\n", impossible), (b"1\n0\n11\n", misfit), (b"-1\n", impossible)),
                *((b"9999999\n", impossible), (b"3\n0\n10\n", impossible), (b"x\n", impossible)),
                *((b"1" * 600, impossible), (b"1\n95\n10\n", impossible)),
            )
        ),
        Case("the old map that overlaps", lambda: oldest(0, 6, 5, 4), impossible),
        Case("the old map beyond its file", lambda: oldest(95, 10), impossible),
        Case("the old map that does not end", lambda: oldest(0, 10, more=b"\1"), "bad number"),
        Case("the old map of less", lambda: oldest(0, 9), misfit),
        Case("a negative sparse file", lambda: pax(b"0,10", b"-10"), "the bad number"),
        Case("a sparse file without its size", lambda: pax(b"0,10", b""), impossible),
        Case(
            "a version of sparse files that nobody knows",
            lambda: extended(record(b"GNU.sparse.major", b"2")) + header(b"a") + END,
            "a version of the sparse format",
        ),
        Case(
            "pieces of format 0.0 that do not meet",
            lambda: (
                extended(
                    record(b"GNU.sparse.size", b"9")
                    + record(b"GNU.sparse.numbytes", b"1")
                    + record(b"GNU.sparse.offset", b"1")
                )
                + header(b"a")
                + END
            ),
            impossible,
        ),
        Case(
            "a hole of exbibytes",
            lambda: pax(b"0,10", b"%d" % 2**62),
            "it unpacks to more than",
        ),
    ]


def _bombs() -> list[Case]:
    def inflated(size: int) -> bytes:
        return header(size=octal(size)) + bytes(size) + END

    return [
        Case(
            "xz that wants 1.5 GiB of memory",
            lambda: lzma.compress(
                inflated(1 << 20),
                filters=[{"id": lzma.FILTER_LZMA2, "dict_size": 3 << 29, "preset": 0}],
            ),
            "the archive cannot be unpacked",
        ),
        Case(
            "100 MiB of zeros behind the end",
            lambda: gzip.compress(inflated(10) + bytes(100 << 20), 1),
            "more than 64 MiB behind its end",
        ),
    ]


HEADERS = [*_sizes(), *_extended_headers(), *_sparse_files(), *_bombs()]
