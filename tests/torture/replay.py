"""The calls of a command, played on a tree of names and files: what each changed and made durable.

Names are those below one directory. What a descriptor refers to is taken from the path that strace
shows beside it, files without a name (O_TMPFILE) included.
"""

from __future__ import annotations

import ast
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tests.torture.tracing import CHANGING, FLUSHING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.torture.tracing import Call

OPTIONS = (f"-s{1 << 18}", "--seccomp-bpf", "-e", f"trace={','.join((*CHANGING, *FLUSHING))}")
"""For strace: with contents, as far as they are small. Others are read afterwards."""

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"(?:\.\.\.)?|<[^<>]*>|[\[{(]|[\]})]|,|[^"<\[{(\]}),]+')
_DESCRIPTOR = re.compile(r"(-?\w+)<([^<>]*)>(?:\(deleted\))?")
_WITH_OFFSET = ("pwrite64", "pwritev", "pwritev2")


Range = tuple[int, int]
"""Offsets in bytes, the end excluded."""


@dataclass(eq=False, slots=True)
class File:
    """An inode that is no directory, and which ranges of it were written."""

    origin: Path | None = None  # where it was before the command
    target: str | None = None  # of a symbolic link that the command made
    size: int = 0
    flushed_size: int = 0
    cursor: int = 0
    flushed: list[Range] = field(default_factory=list)
    dirty: list[Range] = field(default_factory=list)
    seen: bytearray = field(default_factory=bytearray)  # what strace has shown of the contents

    def write(self, data: bytes, count: int, at: int | None) -> None:
        """`data` is less than `count` bytes where strace has not shown it all."""
        begin = self.cursor if at is None else at
        end = begin + count
        if at is None:
            self.cursor = end
        if len(data) == count and begin <= 1 << 20:
            self.seen.extend(bytes(max(0, end - len(self.seen))))
            self.seen[begin:end] = data
        self.dirty.append((begin, end))
        self.size = max(self.size, end)

    def truncate(self, size: int) -> None:
        self.size = size
        self.dirty.append((size, size))

    def flush(self) -> None:
        self.flushed += self.dirty
        self.dirty.clear()
        self.flushed_size = self.size


@dataclass(eq=False, slots=True)
class Directory:
    """A directory: its names for who looks (`now`), and those that a disk has (`disk`)."""

    origin: Path | None = None
    now: dict[str, Node] = field(default_factory=dict)
    disk: dict[str, Node] = field(default_factory=dict)


Node = File | Directory


@dataclass(eq=False, slots=True)
class Change:
    """One change of names: what each is afterwards."""

    call: str
    names: tuple[tuple[Directory, str, Node | None], ...]
    flushed: bool = False


class Replay:
    """Names and files below `top`. There is `name` at first, as it is at `before`, or nothing."""

    def __init__(self, top: Path, name: str, before: Path | None) -> None:
        self._top = str(top)
        self.root = Directory()
        if before is not None:
            self.root.now[name] = self.root.disk[name] = _scanned(before)
        self.changes: list[Change] = []
        self.files: list[File] = [node for node, _ in walk(self.root) if isinstance(node, File)]
        self._unnamed: dict[str, File] = {}  # by the path that strace shows
        self._descriptors: dict[tuple[int, str], str] = {}
        self._cwd: dict[int, str] = {}

    def play(self, call: Call) -> None:
        """Do to the tree what the call did."""
        arguments = split_arguments(call.arguments)
        self._remember(call, arguments)
        play = _PLAYED.get(call.name)
        if play is not None and not call.failed:
            play(self, call, arguments)

    def _remember(self, call: Call, arguments: list[str]) -> None:
        for argument in (*arguments[:4], f"{call.result}{call.rest}"):
            if found := _DESCRIPTOR.match(argument):
                self._descriptors[call.pid, found[1]] = found[2]

    def _path(self, call: Call, at: str, name: str) -> str:
        """The absolute path of a name that is relative to the descriptor `at`."""
        path = os.fsdecode(_string(name))
        if path.startswith("/proc/self/fd/"):
            number, _, below = path.removeprefix("/proc/self/fd/").partition("/")
            path = os.path.join(self._descriptors.get((call.pid, number), "/"), below)
        found = _DESCRIPTOR.match(at)
        base = found[2] if found else self._descriptors.get((call.pid, "AT_FDCWD"), "/")
        return os.path.normpath(os.path.join(base, path))

    def _place(self, path: str) -> tuple[Directory, str] | None:
        """The directory of a path, and the name in it; None for what is elsewhere."""
        directory = self._node(os.path.dirname(path))
        return (directory, os.path.basename(path)) if isinstance(directory, Directory) else None

    def _node(self, path: str) -> Node | None:
        if path in self._unnamed:
            return self._unnamed[path]
        if path == self._top:
            return self.root
        node: Node | None = self.root if path.startswith(f"{self._top}/") else None
        for part in path[len(self._top) + 1 :].split("/"):
            node = node.now.get(part) if isinstance(node, Directory) else None
        return node

    def _of(self, descriptor: str) -> Node | None:
        found = _DESCRIPTOR.match(descriptor)
        return self._node(found[2]) if found else None

    def _new_file(self) -> File:
        self.files.append(File())
        return self.files[-1]

    def _change(self, call: Call, *names: tuple[str, Node | None]) -> None:
        known = [(*place, node) for path, node in names if (place := self._place(path))]
        for directory, name, node in known:
            assign(directory.now, name, node)
        if known:
            self.changes.append(Change(f"{call.name}({call.arguments})", tuple(known)))

    def _open(self, call: Call, arguments: list[str]) -> None:
        flags = arguments[2] if call.name == "openat" else arguments[1]
        found = _DESCRIPTOR.match(f"{call.result}{call.rest}")
        if found is None or not found[2].startswith(f"{self._top}/"):
            return
        if "O_TMPFILE" in flags:
            self._unnamed[found[2]] = self._new_file()
            return
        node = self._node(found[2])
        if node is None and "O_CREAT" in flags:
            node = self._new_file()
            self._change(call, (found[2], node))
        if isinstance(node, File):
            if "O_TRUNC" in flags:
                node.truncate(0)
            node.cursor = node.size if "O_APPEND" in flags else 0

    def _mkdir(self, call: Call, arguments: list[str]) -> None:
        at, name = arguments[:2] if call.name == "mkdirat" else ("", arguments[0])
        self._change(call, (self._path(call, at, name), Directory()))

    def _symlink(self, call: Call, arguments: list[str]) -> None:
        at, name = arguments[1:3] if call.name == "symlinkat" else ("", arguments[1])
        link = self._new_file()
        link.target = os.fsdecode(_string(arguments[0]))
        self._change(call, (self._path(call, at, name), link))

    def _mknod(self, call: Call, arguments: list[str]) -> None:
        at, name = arguments[:2] if call.name == "mknodat" else ("", arguments[0])
        self._change(call, (self._path(call, at, name), self._new_file()))

    def _two(self, call: Call, arguments: list[str]) -> tuple[str, str]:
        """The paths of a call that takes two."""
        if not call.name.endswith(("at", "at2")):
            arguments = ["", arguments[0], "", arguments[1]]
        return self._path(call, *arguments[:2]), self._path(call, *arguments[2:4])

    def _link(self, call: Call, arguments: list[str]) -> None:
        old, new = self._two(call, arguments)
        self._change(call, (new, self._node(old)))

    def _rename(self, call: Call, arguments: list[str]) -> None:
        old, new = self._two(call, arguments)
        other = self._node(new) if "RENAME_EXCHANGE" in arguments[-1] else None
        self._change(call, (new, self._node(old)), (old, other))

    def _unlink(self, call: Call, arguments: list[str]) -> None:
        at, name = arguments[:2] if call.name == "unlinkat" else ("", arguments[0])
        self._change(call, (self._path(call, at, name), None))

    def _write(self, call: Call, arguments: list[str]) -> None:
        file = self._of(arguments[0])
        if isinstance(file, File):
            offset = int(arguments[3]) if call.name in _WITH_OFFSET else None
            data = _string(arguments[1]) if arguments[1].startswith('"') else b""
            file.write(data, int(call.result), offset)

    def _copy(self, call: Call, arguments: list[str]) -> None:
        """copy_file_range(2), splice(2)."""
        file = self._of(arguments[2])
        if isinstance(file, File):
            offset = re.match(r"\[(\d+)", arguments[3])
            file.write(b"", int(call.result), int(offset[1]) if offset else None)

    def _truncate(self, call: Call, arguments: list[str]) -> None:
        by_name = call.name == "truncate"
        file = self._node(self._path(call, "", arguments[0])) if by_name else self._of(arguments[0])
        if isinstance(file, File):
            file.truncate(int(arguments[1]))

    def _flush(self, _: Call, arguments: list[str]) -> None:
        node = self._of(arguments[0])
        if isinstance(node, File):
            node.flush()
        for change in self.changes:
            change.flushed |= any(directory is node for directory, _, _ in change.names)

    def _flush_all(self, _: Call, __: list[str]) -> None:
        for file in self.files:
            file.flush()
        for change in self.changes:
            change.flushed = True


_PLAYED: dict[str, Callable[[Replay, Call, list[str]], None]] = {
    **dict.fromkeys(("openat", "open", "creat"), Replay._open),
    **dict.fromkeys(("mkdir", "mkdirat"), Replay._mkdir),
    **dict.fromkeys(("symlink", "symlinkat"), Replay._symlink),
    **dict.fromkeys(("mknod", "mknodat"), Replay._mknod),
    **dict.fromkeys(("link", "linkat"), Replay._link),
    **dict.fromkeys(("rename", "renameat", "renameat2"), Replay._rename),
    **dict.fromkeys(("unlink", "unlinkat", "rmdir"), Replay._unlink),
    **dict.fromkeys(("write", "writev", "sendfile", *_WITH_OFFSET), Replay._write),
    **dict.fromkeys(("copy_file_range", "splice"), Replay._copy),
    **dict.fromkeys(("truncate", "ftruncate"), Replay._truncate),
    **dict.fromkeys(("fsync", "fdatasync"), Replay._flush),
    **dict.fromkeys(("syncfs", "sync"), Replay._flush_all),
}


def assign(names: dict[str, Node], name: str, node: Node | None) -> None:
    """Let a name be a node, or nothing."""
    if node is None:
        names.pop(name, None)
    else:
        names[name] = node


def walk(directory: Directory, above: str = "") -> Iterator[tuple[Node, str]]:
    """All below a directory for who looks, each with its path."""
    for name, node in directory.now.items():
        yield node, above + name
        if isinstance(node, Directory):
            yield from walk(node, f"{above}{name}/")


def _scanned(path: Path) -> Node:
    if not path.is_dir() or path.is_symlink():
        size = path.lstat().st_size
        return File(path, size=size, flushed_size=size)
    found = {entry.name: _scanned(Path(entry.path)) for entry in os.scandir(path)}
    return Directory(path, found, dict(found))


def split_arguments(text: str) -> list[str]:
    """The arguments of a call, as strace shows them."""
    found, depth = [""], 0
    for token in _TOKEN.findall(text):
        if token == "," and not depth:
            found.append("")
            continue
        depth += (token in "[{(") - (token in "]})")
        found[-1] += token
    return [one.strip() for one in found]


def _string(argument: str) -> bytes:
    """A string as strace shows it, in ASCII with C's escapes."""
    value: bytes = ast.literal_eval(f"b{argument.removesuffix('...')}")
    return value
