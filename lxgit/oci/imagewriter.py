"""A history as an OCI image: a layer for each commit that changes the file system.

The commits are those along first parents. Each is an entry of the image's `history`, in which one
that changes the config alone is an empty layer (OCI's image-spec, config.md). Nothing but the
commits decides the bytes: no clock, no user, no host.
"""

from __future__ import annotations

from datetime import UTC, datetime

from lxgit.objects.image import read_image
from lxgit.objects.imageconfig import architecture_name, config_values
from lxgit.objects.messages import subject, trailers
from lxgit.oci.layerwriter import Layer, NotForOCI, write_layer
from lxgit.oci.layoutwriter import encode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from lxgit.objects.commits import Commit, Signature
    from lxgit.objects.database import ObjectDatabase
    from lxgit.objects.image import Image
    from lxgit.oci.layernotes import Between
    from lxgit.oci.layoutwriter import LayoutWriter, Written
    from lxgit.progress import Progress

_LAST_SECOND = 253_402_300_799  # of the year 9999, the last that RFC 3339 can write


class ImageWriter:
    """Writes histories into a layout; what two of them share is written once."""

    def __init__(
        self,
        layout: LayoutWriter,
        database: ObjectDatabase,
        progress: Progress,
        noted: Callable[[Between], Layer | None] = lambda _: None,
    ) -> None:
        self._layout = layout
        self._database = database
        self._progress = progress
        self._noted = noted
        self.layers: dict[Between, Layer] = {}
        """Those so far."""

    def write(self, commits: Sequence[Commit], *, squash: bool = False) -> Written:
        """Write the image of the last of some commits, the root first, each the next one's parent.

        With `squash` all is one layer, and one entry of the history. Of a layer that is `noted` the
        bytes are not written. NotAnImage, NotForOCI.
        """
        shown = commits[-1:] if squash else commits
        layers: list[Layer] = []
        history: list[dict[str, Any]] = []
        below: Image | None = None
        for number, commit in enumerate(shown, start=1):
            image = read_image(self._database, commit.tree)
            entry = _history_entry(commit)
            if below is not None and below.filesystem == image.filesystem:
                entry["empty_layer"] = True
            else:
                self._progress.phase(f"Writing layer {number} of {len(shown)}")
                layers.append(self._layer(below, image))
            history.append(entry)
            below = image
        assert below is not None
        return self._layout.image(_config(below, commits[-1], layers, history), layers)

    def _layer(self, below: Image | None, image: Image) -> Layer:
        between = None if below is None else below.filesystem, image.filesystem
        layer = self.layers.get(between) or self._noted(between)
        if layer is None:
            layer = self._layout.layer(
                lambda fd: write_layer(self._database, below, image, fd, self._progress)
            )
        self.layers[between] = layer
        return layer


def _config(
    image: Image, tip: Commit, layers: Sequence[Layer], history: Sequence[dict[str, Any]]
) -> dict[str, Any]:
    """The image's config as OCI has it. NotForOCI where a text of it is not UTF-8."""
    wishes = config_values(image.config)
    try:
        encode(wishes)
    except UnicodeEncodeError:
        raise NotForOCI(
            "the image's config has bytes that are not UTF-8, which no image of OCI can hold",
            hint="'lxgit inspect' shows it; 'lxgit commit --change' sets it",
        ) from None
    return {
        "created": _time(tip.committer),
        "author": _person(tip.author),
        "architecture": architecture_name(wishes.pop("architecture", "")),
        **{key: wishes.pop(key) for key in ("variant",) if key in wishes},
        "os": wishes.pop("os", "linux"),
        "config": wishes,
        "rootfs": {"type": "layers", "diff_ids": [layer.diff_id for layer in layers]},
        "history": list(history),
    }


def _history_entry(commit: Commit) -> dict[str, Any]:
    entry = {
        "created": _time(commit.committer),
        "created_by": dict(trailers(commit.message)).get("Command", ""),
        "author": _person(commit.author),
        "comment": subject(commit.message),
    }
    return {key: _text(value) for key, value in entry.items() if value}


def _time(signature: Signature) -> str:
    """RFC 3339."""
    when = datetime.fromtimestamp(min(signature.time, _LAST_SECOND), UTC)
    return when.isoformat().replace("+00:00", "Z")


def _person(signature: Signature) -> str:
    return _text(f"{signature.name} <{signature.email}>")


def _text(text: str) -> str:
    """What was not UTF-8 in a commit as U+FFFD, since JSON has no way to say it."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
