"""Work done on a stack of layers by a child with mounts of its own, as in a container."""

from __future__ import annotations

import os
import traceback
from typing import TYPE_CHECKING

from lxgit.runtime import bases, kernel, overlay, rundir
from lxgit.runtime.idmap import IdMap
from lxgit.runtime.overlay import Writable

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lxgit.runtime.layers import Stack
    from lxgit.runtime.overlay import Lower


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
    with bases.held(stack.lowers) as lowers:
        said = _by_child(lowers, container, work, idmap or IdMap.identity())
    assert not said, said


def _by_child(lowers: list[Lower], container: Path, work: Callable[[], None], idmap: IdMap) -> str:
    ours, theirs = os.pipe()
    child = os.fork()
    if not child:
        try:
            rundir.prepare()
            rundir.enter_stage()
            writable = Writable(container / "upper", container / "work")
            staging = rundir.STAGE / "lower"
            staging.mkdir()
            places = overlay.attach_lowers(lowers, staging, idmap)
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
    return said
