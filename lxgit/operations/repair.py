"""Making again what is derived: a store's settings, indexes, what speeds Git up."""

from __future__ import annotations

import contextlib
import os

from lxgit.objects.git import GitFailed
from lxgit.objects.gitdir import STORE_SETTINGS
from lxgit.objects.newfile import TEMPORARY
from lxgit.objects.packedrefs import CorruptRef
from lxgit.operations.gc import write_commit_graph

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from lxgit.repository import Repository


def lacking_settings(repository: Repository) -> dict[str, str]:
    """The settings of a store that its Git configuration does not have; GitFailed."""
    said = repository.git.run(["config", "--file", "config", "--list", "-z"])
    pairs = (line.partition("\n") for line in said.decode(errors="replace").split("\0") if line)
    has = {name.lower(): value for name, _, value in pairs}
    wanted = {**STORE_SETTINGS, "core.bare": "true", "core.repositoryformatversion": "0"}
    return {name: value for name, value in wanted.items() if has.get(name.lower()) != value}


def set_settings(repository: Repository, settings: Mapping[str, str]) -> None:
    """Write settings into a store's Git configuration."""
    for name, value in settings.items():
        repository.git.run(["config", "--file", "config", "--replace-all", name, value])


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
