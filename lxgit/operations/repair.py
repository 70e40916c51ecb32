"""Making again what is derived: a store's settings, indexes, what speeds Git up."""

from __future__ import annotations

import contextlib
import os
import re

from lxgit.fsutil import write_atomic
from lxgit.objects.git import GitFailed
from lxgit.objects.gitdir import STORE_SETTINGS
from lxgit.objects.newfile import TEMPORARY
from lxgit.objects.packedrefs import CorruptRef
from lxgit.operations.gc import write_commit_graph

_SECTION = re.compile(rb'\[[A-Za-z0-9.-]+(?: "[^"\\\0]*")?\]')
_SETTING = re.compile(rb'\s+([A-Za-z][A-Za-z0-9-]*)(?: = (?:[^"\\\0]*|"[^"\\\0]*"))?')

_WANTED = {**STORE_SETTINGS, "core.bare": "true", "core.repositoryformatversion": "0"}
_OWN = {name.rpartition(".")[2].lower().encode() for name in _WANTED}

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from lxgit.repository import Repository


def lacking_settings(repository: Repository) -> dict[str, str]:
    """The settings of a store that its Git configuration does not have; GitFailed."""
    said = repository.git.run(["config", "--file", "config", "--list", "-z"])
    pairs = (line.partition("\n") for line in said.decode(errors="replace").split("\0") if line)
    has = {name.lower(): value for name, _, value in pairs}
    return {name: value for name, value in _WANTED.items() if has.get(name.lower()) != value}


def set_settings(repository: Repository, settings: Mapping[str, str]) -> None:
    """Write settings into a store's Git configuration."""
    for name, value in settings.items():
        repository.git.run(["config", "--file", "config", "--replace-all", name, value])


def write_settings(repository: Repository) -> None:
    """Write anew a Git configuration that is missing, or that Git cannot read.

    Lines that are as Git writes them stay, but for those of a section whose name is none and what
    a store's settings say; none do where Git cannot read them either.
    """
    path = repository.git_dir / "config"
    try:
        damaged = path.read_bytes()
    except OSError:
        damaged = b""
    for content in (b"".join(_readable(damaged)), b""):
        write_atomic(path, content, mode=0o644)
        with contextlib.suppress(GitFailed):
            set_settings(repository, lacking_settings(repository))
            return


def _readable(config: bytes) -> Iterator[bytes]:
    """The lines that are a section's name, or a setting of such a section."""
    is_known = False
    for line in config.splitlines():
        if _SECTION.fullmatch(line):
            is_known = True
            yield line + b"\n"
        elif is_known and (match := _SETTING.fullmatch(line)) and match[1].lower() not in _OWN:
            yield line + b"\n"
        elif not line[:1].isspace():
            is_known = False


def remake(repository: Repository, path: str) -> bool:
    """Make a derived file again, or leave it away; whether that worked."""
    name = os.path.basename(path)
    if name.endswith(".idx"):
        return _remake_index(repository, path)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)  # Git does without
    if name == "commit-graph":
        with contextlib.suppress(GitFailed, CorruptRef):
            write_commit_graph(repository)
    return True


def _remake_index(repository: Repository, path: str) -> bool:
    """Make a pack's index from the pack, if that is good."""
    pack = f"{path.removesuffix('.idx')}.pack"
    new = f"{os.path.dirname(path)}/{TEMPORARY}idx_{os.urandom(8).hex()}.idx"
    try:
        repository.git.run(["index-pack", "--no-rev-index", "-o", new, pack])
        os.rename(new, path)
        return True
    except GitFailed:
        return False
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(new)
        repository.objects.close()
