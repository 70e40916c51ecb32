"""A base layer of a tree in memory, written by a child process while this one does other work."""

from __future__ import annotations

import json
import os
from contextlib import ExitStack, suppress

from lxgit.errors import LxgitError, in_words, reason
from lxgit.processes import die_with_parent
from lxgit.runtime.baselayer import write_base
from lxgit.runtime.idmap import IdMap
from lxgit.runtime.probe import check_host

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any, Self

    from lxgit.objects.filetree import FileTree
    from lxgit.runtime.layers import FileSystem, LayerStore

_MESSAGE_SIZE = 1 << 16
_NICE = 8  # where there are too few cores: an import waits longer for its pack than for its layer


class LayerFailed(LxgitError):
    """A layer could not be written: the image is whole in Git, and is materialised when needed."""


class TreeLayer:
    """Starts writing when it is entered; what is not published is removed when it is left."""

    def __init__(self, layers: LayerStore, tree: FileTree) -> None:
        self._layers = layers
        self._tree = tree
        self._stack = ExitStack()
        self._child = 0

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._built = stack.enter_context(self._layers.building())
            self._answer, answer = os.pipe()
            stack.callback(os.close, self._answer)
            parent, self._child = os.getpid(), os.fork()
            if not self._child:
                _write_and_exit(parent, self._layers, self._tree, self._built, answer)
            os.close(answer)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        if self._child:
            os.kill(self._child, 9)
            os.waitpid(self._child, 0)
        self._stack.close()

    def publish(self, shows: FileSystem) -> list[str]:
        """Wait for the child, and have its layer show `shows`; what is to be told of what it lacks.

        LayerFailed with the reason when the child could not write it.
        """
        with open(self._answer, "rb", closefd=False) as pipe:
            text = pipe.read()
        os.waitpid(self._child, 0)
        self._child = 0
        said: dict[str, Any] = json.loads(text or '{"error": "its process was killed"}')
        if "error" in said:
            raise LayerFailed(f"the layer was not written: {said['error']}", hint=said.get("hint"))
        try:
            self._layers.publish(
                self._built,
                shows,
                None,
                form=said["form"],
                idmap=IdMap.identity(),
                outside_range=said["outside_range"],
                entries=said["entries"],
            )
        except OSError as error:  # whatever it is: the commit is made, and the layer is a cache
            raise LayerFailed(f"the layer was not written: {reason(error)}") from error
        lacks: list[str] = said["lacks"]
        return lacks


def _write_and_exit(
    parent: int, layers: LayerStore, tree: FileTree, built: Path, answer: int
) -> None:
    """The child: write, say how it went in JSON, leave without anyone's clean-up."""
    try:
        die_with_parent(parent)
        os.nice(_NICE)
        said = _write(layers, tree, built)
    except (LxgitError, OSError) as error:
        fault = in_words(error)
        said = {"error": fault.message, "hint": fault.hint}
    except BaseException as error:  # noqa: BLE001  # it is told in the parent
        said = {"error": str(error)[:_MESSAGE_SIZE]}
    try:
        os.write(answer, json.dumps(said).encode())
    finally:
        os._exit(0)


def _write(layers: LayerStore, tree: FileTree, built: Path) -> dict[str, object]:
    # Or else the first run would have to look. Before there is much to write back: the kernel does
    # that for the whole file system of the store when the overlay that is tried goes away.
    with suppress(LxgitError, OSError):
        check_host(layers.path.parent, place=built)
    written = write_base(layers, built, tree.replay)
    return {
        "form": written.form,
        "outside_range": sorted(written.outside_range),
        "entries": written.entries,
        "lacks": written.lacks,
    }
