"""The config of an OCI image (config.md): how it wants to run, and how it came to be."""

from __future__ import annotations

import re
from datetime import datetime

from lxgit.errors import LxgitError
from lxgit.objects.dockerlines import BadInstruction
from lxgit.objects.imageconfig import (
    ImageConfig,
    InvalidConfig,
    architecture_name,
    config_from_values,
)
from lxgit.objects.instructions import checked
from lxgit.oci.layout import BadLayout, read_object
from lxgit.oci.platform import Platform, require_platform
from lxgit.records import replace
from lxgit.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_MOST_STEPS = 2000
_DIFF_ID = re.compile(r"sha256:[0-9a-f]{64}")
_OF_ONE_CONTAINER = {"ArgsEscaped", "AttachStderr", "AttachStdin", "AttachStdout", "Domainname"}
_OF_ONE_CONTAINER |= {"Hostname", "Image", "MacAddress", "NetworkDisabled", "OpenStdin"}
_OF_ONE_CONTAINER |= {"StdinOnce", "Tty"}
"""What Docker's configs say of the container that the image was made in."""

_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class NotForLinux(LxgitError):
    """An image of another system's programs."""


class Step(NamedTuple):
    """An entry of the history. `time` is None where it says none; `diff_id` of an empty layer."""

    created_by: str = ""
    time: int | None = None
    author: str = ""
    comment: str = ""
    diff_id: str | None = None


class ImageFacts(NamedTuple):
    """What a config says."""

    config: ImageConfig
    steps: tuple[Step, ...]
    """The oldest first; those with a layer are as many as there are layers."""
    forgotten: bool
    """Whether there was a history that did not match the layers, so that none is told."""

    @property
    def diff_ids(self) -> tuple[str, ...]:
        """The digests of the layers' tars, the lowest first."""
        return tuple(step.diff_id for step in self.steps if step.diff_id is not None)

    @property
    def begin(self) -> ImageConfig:
        """What the first instruction finds: what Docker begins with, alike for all such images.

        That is a PATH; an image that has none did not begin with one.
        """
        config = self.config
        machine = {key: config.extra[key] for key in ("variant",) if key in config.extra}
        path = (_PATH,) if any(one.startswith("PATH=") for one in config.env) else ()
        return ImageConfig(env=path, architecture=config.architecture, os=config.os, extra=machine)


def read_config(data: bytes, layers: int, asked: Platform | None = None) -> ImageFacts:
    """The facts of an image that has so many layers. BadLayout, NotForLinux.

    NoSuchPlatform if it is not for the one that was asked for.
    """
    document = read_object(data, "the image's config")
    diff_ids = _diff_ids(document, layers)
    steps = _steps(document.get("history"), diff_ids)
    forgotten = bool(document.get("history")) and steps is None
    if steps is None:
        steps = tuple(Step(diff_id=one) for one in diff_ids) or (Step(),)
    config = _config(document)
    if asked is not None:
        variant = config.extra.get("variant", "")
        require_platform(Platform(config.os, config.architecture, variant), asked)
    return ImageFacts(config, steps, forgotten)


def _diff_ids(document: dict[str, Any], layers: int) -> tuple[str, ...]:
    rootfs = document.get("rootfs")
    found = rootfs.get("diff_ids") if isinstance(rootfs, dict) else None
    if found is None and not layers:
        return ()
    if not isinstance(found, list) or not all(
        isinstance(one, str) and _DIFF_ID.fullmatch(one) for one in found
    ):
        raise BadLayout("the image's config has no list of diff ids")
    if len(found) != layers:
        raise BadLayout(f"the image has {layers} layers, and its config says {len(found)}")
    return tuple(found)


def _config(document: dict[str, Any]) -> ImageConfig:
    system = document.get("os") or "linux"
    if system != "linux":
        raise NotForLinux(
            f"the image is for {system!a}", hint="--platform linux/ARCHITECTURE names another"
        )
    wishes = document.get("config")
    values = dict(wishes) if isinstance(wishes, dict) else {}
    kept = {
        key: value
        for key, value in values.items()
        if key not in _OF_ONE_CONTAINER and value is not None
    }
    for key in ("architecture", "variant"):
        kept.pop(key, None)
        if isinstance(document.get(key), str):
            kept[key] = document[key]
    try:
        config = config_from_values({**kept, "os": "linux"})
        machine = architecture_name(config.architecture)
        return checked(replace(config, architecture=machine))
    except (InvalidConfig, BadInstruction) as error:
        raise BadLayout(f"the image cannot be kept: {error.message}") from None


def _steps(history: object, diff_ids: tuple[str, ...]) -> tuple[Step, ...] | None:
    """The history with the layers in their places; None where it does not match them."""
    if not isinstance(history, list) or not history or len(history) > _MOST_STEPS:
        return None
    layers = iter(diff_ids)
    steps = []
    for entry in history:
        if not isinstance(entry, dict):
            return None
        diff_id = None
        if not entry.get("empty_layer"):
            diff_id = next(layers, None)
            if diff_id is None:
                return None
        steps.append(_step(entry, diff_id))
    return tuple(steps) if next(layers, None) is None else None


def _step(entry: dict[str, Any], diff_id: str | None) -> Step:
    words = (_text(entry.get(key)) for key in ("created_by", "author", "comment"))
    created_by, author, comment = words
    return Step(created_by, _time(entry.get("created")), author, comment, diff_id)


def _text(value: object) -> str:
    """A text without what no commit can hold."""
    text = value if isinstance(value, str) else ""
    return text.encode("utf-8", "replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")


def _time(value: object) -> int | None:
    """Seconds since 1970 of an RFC 3339 time with its zone; None for what is none, or before."""
    if not isinstance(value, str) or len(value) > 64:
        return None
    try:
        when = datetime.fromisoformat(value)
        seconds = int(when.timestamp())
    except (ValueError, OverflowError):
        return None
    return seconds if seconds >= 0 and when.tzinfo is not None else None
