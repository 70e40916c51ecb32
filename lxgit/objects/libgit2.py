"""libgit2, by way of pygit2's machine code alone.

What is used of pygit2 is in its extension module, which takes 8 ms to load. The package around it
takes 40 more, half of them for enums, and would do nothing here.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_PACKAGE = "pygit2"
_EXTENSION = "pygit2._pygit2"


def libgit2() -> Any:  # noqa: ANN401  # a module
    """The extension module, of which `pygit2` has its `hash`, its `Patch`, its `GitError`.

    ImportError as the package would raise it.
    """
    if _EXTENSION not in sys.modules:
        sys.modules[_EXTENSION] = _loaded()  # the package finds it there, should it be imported
    return sys.modules[_EXTENSION]


def _loaded() -> Any:  # noqa: ANN401
    from importlib import util  # 1 ms, for who gets here
    from importlib.machinery import PathFinder

    package = util.find_spec(_PACKAGE)  # which does not run it
    places = package.submodule_search_locations if package else []
    spec = PathFinder.find_spec(_EXTENSION, places)
    if spec is None or spec.loader is None:
        raise ImportError(f"{_PACKAGE} is not installed, or has no machine code")
    module = util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
