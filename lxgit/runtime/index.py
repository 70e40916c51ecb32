"""Containers by name and by id, as their directories and `.names` have them (containers.py).

Nothing of a container is read here, so that whoever only has to find one loads no more than this.
Directories are given as text or as paths.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from lxgit.errors import LxgitError

if TYPE_CHECKING:
    from pathlib import Path

_HEXADECIMAL = frozenset("0123456789abcdef")
_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")
_NAME = _LETTERS.union("_.-")


class NoSuchContainer(LxgitError):
    """Neither a container's name nor the beginning of an id."""


class AmbiguousContainer(LxgitError):
    """The beginning of several ids."""


def is_id(text: str) -> bool:
    """Whether that is a container's id: 64 hexadecimal digits."""
    return len(text) == 64 and _HEXADECIMAL.issuperset(text)


def is_name(text: str) -> bool:
    """Whether a container may have that for its name."""
    return 0 < len(text) <= 128 and text[0] in _LETTERS and _NAME.issuperset(text)


def container_names(containers: Path | str) -> dict[str, str]:
    """Every container's name with its id."""
    try:
        names = os.listdir(f"{containers}/.names")
    except FileNotFoundError:
        return {}
    found = ((name, _named(containers, name)) for name in names)
    return {name: identity for name, identity in found if identity is not None}


def _named(containers: Path | str, name: str) -> str | None:
    """The id of the container of that name, if there is one."""
    link = f"{containers}/.names/{name}"
    with contextlib.suppress(FileNotFoundError):
        identity = os.readlink(link)
        if os.path.exists(f"{containers}/{identity}/config.json"):
            return identity
        if not os.path.exists(f"{containers}/{identity}"):
            os.unlink(link)  # its container went, and a crash left the name
    return None


def ids_of(containers: Path | str) -> list[str]:
    """The ids of what has a directory, in no order."""
    try:
        return [name for name in os.listdir(containers) if is_id(name)]
    except FileNotFoundError:
        return []


def find_id(containers: Path | str, text: str) -> str:
    """The id of the container that has this name, or whose id begins so.

    Raises NoSuchContainer, or AmbiguousContainer with the candidates.
    """
    if is_name(text) and (named := _named(containers, text)):
        return named
    found = [identity for identity in ids_of(containers) if identity.startswith(text)]
    if len(found) > 1 and text:
        raise AmbiguousContainer(
            f"several containers have ids that begin with '{text}'",
            hint="one of " + ", ".join(sorted(identity[:12] for identity in found)),
        )
    if not found or not text:
        raise NoSuchContainer(f"no container '{text}'", hint="'lxgit ps -a' lists them all")
    return found[0]
