"""Platforms: for which machine an image is, and which of several is the one to take.

Written OS/ARCHITECTURE[/VARIANT], in Go's names, as OCI has them (image-index.md).
"""

from __future__ import annotations

import os
import re

from lxgit.errors import LxgitError, UsageError
from lxgit.objects.imageconfig import architecture_name
from lxgit.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

_WORD = re.compile(r"[a-z0-9][a-z0-9._-]{0,31}")
_USUAL = {"arm": "v7", "arm64": "v8"}
"""The variant that a machine of today has; of others the image without one is the one to take."""


class NoSuchPlatform(LxgitError):
    """The image is there for other machines."""


class Platform(NamedTuple):
    """For which machine; an empty variant is any."""

    os: str
    architecture: str
    variant: str = ""

    def __str__(self) -> str:
        """As one writes it."""
        return "/".join(part for part in self if part)


def wanted_platform(text: str | None) -> Platform:
    """OS/ARCHITECTURE[/VARIANT] as a user wrote it, be it in words of uname(2). UsageError.

    For None it is this machine's.
    """
    if text is None:
        return Platform("linux", architecture_name(os.uname().machine))
    words = text.split("/")
    if not 2 <= len(words) <= 3 or not all(map(_WORD.fullmatch, words)):
        raise UsageError(f"'{text}' is no platform", hint="linux/amd64, linux/arm64, linux/arm/v7")
    return Platform(words[0], architecture_name(words[1]), *words[2:])


def platform_of(entry: dict[str, Any]) -> Platform | None:
    """What a descriptor of an index says of its platform, if it says anything."""
    said = entry.get("platform")
    if not isinstance(said, dict):
        return None
    words = (said.get(key, "") for key in ("os", "architecture", "variant"))
    return Platform(*(word if isinstance(word, str) else "" for word in words))


def the_best(entries: Sequence[dict[str, Any]], wanted: Platform) -> dict[str, Any]:
    """The entry of an index for a platform: the first of those that fit best. NoSuchPlatform."""
    fitting = [(_distance(platform_of(entry), wanted), entry) for entry in entries]
    found = [pair for pair in fitting if pair[0] is not None]
    if not found:
        there = sorted({str(one) for entry in entries if (one := platform_of(entry))})
        raise NoSuchPlatform(
            f"there is no image for {wanted}",
            hint=f"--platform takes one of: {', '.join(there)[:300]}" if there else None,
        )
    return min(found, key=lambda pair: pair[0] or 0)[1]


def require_platform(found: Platform, wanted: Platform) -> None:
    """NoSuchPlatform where an image, which is the only one, is not for a platform."""
    if found.architecture and _distance(found, wanted) is None:
        raise NoSuchPlatform(f"there is no image for {wanted}", hint=f"this one is for {found}")


def _distance(found: Platform | None, wanted: Platform) -> int | None:
    """How far an image's platform is from the one that is wanted; None where it will not run."""
    if found is None:
        return 3  # it does not say
    if (found.os, architecture_name(found.architecture)) != (wanted.os, wanted.architecture):
        return None
    if found.variant == (wanted.variant or _USUAL.get(wanted.architecture, "")):
        return 0
    if not found.variant:
        return 1
    return None if wanted.variant else 2
