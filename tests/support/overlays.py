"""Work done on a stack of layers by a child with mounts of its own, as in a container."""

from __future__ import annotations

import os
import traceback
from typing import TYPE_CHECKING

from lxgit.runtime import kernel, overlay, rundir
from lxgit.runtime.idmap import IdMap
from lxgit.runtime.overlay import Lower, Writable

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lxgit.runtime.layers import Stack


def lowers_of(stack: Stack) -> list[Lower]:
    """The layers of a stack as a mount takes them."""
    return [Lower(layer.directory, layer.idmap) for layer in stack.layers]


def on_overlay(
    stack: Stack,
    container: Path,
    work: Callable[[], None],
    idmap: IdMap | None = None,
) -> None:
    """Call `work` in the root of the stack with `container`/upper over it, which must exist.

    As root, in the host's user namespace; `idmap` is how the container would see its ids.
    AssertionError with the traceback when it fails.
    """
    (container / "work").mkdir(exist_ok=True)
    ours, theirs = os.pipe()
    child = os.fork()
    if not child:
        try:
            rundir.prepare()
            rundir.enter_stage()
            writable = Writable(container / "upper", container / "work")
            staging = rundir.STAGE / "lower"
            staging.mkdir()
            places = overlay.attach_lowers(lowers_of(stack), staging, idmap or IdMap.identity())
            mount = overlay.stack(places, overlay.attach_writable(writable, staging))
            root = rundir.STAGE / "root"
            root.mkdir()
            kernel.move_mount(mount, root)
            os.close(mount)
            os.chdir(root)
            work()
        except BaseException:  # noqa: BLE001  # the parent raises it
            os.write(theirs, traceback.format_exc().encode())
        os._exit(0)
    os.close(theirs)
    with open(ours, "rb") as pipe:
        said = pipe.read().decode()
    os.waitpid(child, 0)
    assert not said, said
