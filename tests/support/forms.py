"""Base layers in a form that the test chooses, whatever the host would take."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from lxgit.objects.newfile import NewFile
from lxgit.runtime import baselayer, erofs_mount
from lxgit.runtime.bases import TAR
from lxgit.runtime.compressed_layer import write_image
from lxgit.runtime.layers import COMPRESSED, DIRECTORY, EROFS, Layer, LayerStore, Stack

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

FILE, LOOP = "file", "loop"
"""The two ways to mount the EROFS form."""

FORMS = [
    pytest.param(FILE, marks=pytest.mark.erofs),
    pytest.param(LOOP, marks=pytest.mark.erofs),
    pytest.param(COMPRESSED, marks=pytest.mark.erofs),
    DIRECTORY,
]


def force(monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    """Let this process and those it forks write and mount base layers in that form alone."""
    ways: dict[str, tuple[Callable[[Sequence[int]], int], ...]] = {
        FILE: (erofs_mount.by_file,),
        LOOP: (erofs_mount.by_loop,),
        COMPRESSED: (erofs_mount.by_file,),
        DIRECTORY: (),
    }
    chosen = ways[form]
    monkeypatch.setattr(erofs_mount, "ways", lambda: chosen)
    monkeypatch.setattr(baselayer, "base_form", lambda *_: EROFS if chosen else DIRECTORY)
    if form == COMPRESSED:
        _compress_at_once(monkeypatch)


def _compress_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    publish = LayerStore.publish

    def published(layers: LayerStore, *given: Any, **named: Any) -> Stack:
        stack = publish(layers, *given, **named)
        *over, base = stack.layers
        if base.form == EROFS:
            return Stack((*over, compress(layers, base)))
        return stack

    monkeypatch.setattr(LayerStore, "publish", published)


def compress(layers: LayerStore, layer: Layer) -> Layer:
    """Give a layer in the EROFS form its compressed one, as gc does."""
    with NewFile(str(layer.path)) as image:
        layers.compress(layer, image, write_image(layer.path / TAR, image))
    return layers.layer(layer.id)
