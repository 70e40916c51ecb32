"""Making again what is derived: a store's settings, indexes, what speeds Git up, a directory."""

from __future__ import annotations

import contextlib
import os
import re
import stat

from lxgit.objects.filelock import FileLock
from lxgit.objects.git import Git, GitFailed
from lxgit.objects.gitdir import STORE_SETTINGS
from lxgit.objects.packedrefs import CorruptRef
from lxgit.operations.gc import write_commit_graph
from lxgit.operations.packindexes import make_index
from lxgit.operations.scratchspace import scratch_directory
from lxgit.operations.values import Problem

_SECTION = re.compile(rb'\[[A-Za-z0-9.-]+(?: "[^"\\\0]*")?\]')
_SETTING = re.compile(rb'\s+[A-Za-z][A-Za-z0-9-]*(?: = (?:[^"\\\0]*|"[^"\\\0]*"))?')

_WANTED = {**STORE_SETTINGS, "core.bare": "true", "core.repositoryformatversion": "0"}
_HIDDEN = "transfer.hideRefs"  # one of as many as there are things to hide
_NO_PACKS = "'lxgit fsck --repair' makes it; then 'lxgit fsck' tells of what was in it"

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from lxgit.repository import Repository


def lacking_settings(repository: Repository) -> dict[str, str]:
    """The settings of a store that its Git configuration does not have; GitFailed."""
    return _lacking(repository.git, "config")


def _lacking(git: Git, file: str) -> dict[str, str]:
    said = git.run(["config", "--file", file, "--list", "-z"])
    pairs = (line.partition("\n") for line in said.decode(errors="replace").split("\0") if line)
    has: dict[str, list[str]] = {}
    for name, _, value in pairs:
        has.setdefault(name.lower(), []).append(value)
    return {
        name: value
        for name, value in _WANTED.items()
        if not _is_said(name, value, has.get(name.lower(), []))
    }


def _is_said(name: str, value: str, values: Sequence[str]) -> bool:
    """Whether Git goes by `value`, given all of that name: by the last, but for what it hides.

    Of that by all, unless a later one that begins with `!` shows the same, or a part of it
    (git-config(1), transfer.hideRefs).
    """
    if name != _HIDDEN:
        return list(values[-1:]) == [value]
    for one in reversed(values):
        if one == value:
            return True
        shown, hidden = f"{one.lstrip('!^').rstrip('/')}/", f"{value}/"
        if one.startswith("!") and (hidden.startswith(shown) or shown.startswith(hidden)):
            return False
    return False


def write_settings(repository: Repository) -> None:
    """Have a store's Git configuration say what it lacks, in one step, under the lock Git takes.

    All else stays as it is where Git can read it. Of one that it cannot, the lines do that are as
    Git writes them, but for those of a section whose name is none; where it cannot read these
    either, none. RefLocked when somebody else has the lock; GitFailed, OSError: nothing was done.
    """
    path = repository.git_dir / "config"
    with (
        FileLock(os.fspath(path), os.fspath(repository.git_dir)) as lock,
        scratch_directory(repository) as scratch,
    ):
        try:
            content, mode = path.read_bytes(), stat.S_IMODE(path.stat().st_mode)
        except OSError:
            content, mode = b"", 0o644
        lock.write(_completed(content, scratch / "config"), mode=mode)
        lock.commit()


def _completed(content: bytes, scratch: Path) -> bytes:
    """What can be read of a configuration, with what it lacks: Git tells by a file of that."""
    git, file = Git(None), os.fspath(scratch)  # a store's own would go by the settings it has
    for readable in (content, b"".join(_readable(content)), b""):
        scratch.write_bytes(readable)
        try:
            lacking = _lacking(git, file)
        except GitFailed as error:
            if error.status < 0 or not readable:
                raise  # which says nothing of the file
            continue
        for name, value in lacking.items():
            how = "--add" if name == _HIDDEN else "--replace-all"
            git.run(["config", "--file", file, how, name, value])
        break
    return scratch.read_bytes()


def _readable(config: bytes) -> Iterator[bytes]:
    """The lines that are a section's name, or a setting of such a section."""
    is_known = False
    for line in config.splitlines():
        if _SECTION.fullmatch(line):
            is_known = True
            yield line + b"\n"
        elif is_known and _SETTING.fullmatch(line):
            yield line + b"\n"
        elif not line[:1].isspace():
            is_known = False


def remake(repository: Repository, path: str) -> bool:
    """Make a derived file again, or leave it away; whether that worked."""
    name = os.path.basename(path)
    if name.endswith(".idx"):
        return make_index(repository, path)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)  # Git does without
    if name.startswith("commit-graph"):
        with contextlib.suppress(GitFailed, CorruptRef):
            write_commit_graph(repository)
    return True


def pack_directory_problems(packs: Path, *, repair: bool) -> Iterator[Problem]:
    """That the directory of packs is not there, in which case nothing else can be told of."""
    for path in (packs.parent, packs):
        if os.path.lexists(path) and not path.is_dir():
            told = f"{path.relative_to(packs.parents[2])} is no directory"
            yield Problem(told, hint=f"move '{path}' away, and {_NO_PACKS}")
            return
    if not packs.is_dir():
        if repair:
            packs.mkdir(parents=True)
        yield Problem("git/objects/pack is missing", hint=_NO_PACKS, repaired=repair)
