"""lxgit's modules, found with less looking: what takes Python longest about a small one.

Python asks all who might know of a module, lists endings, and works out where a compiled one would
be: of the 270,000 instructions that it takes to import one with nothing in it, that is nearly half.
It comes down to the compiled file beside the source, if it was made of the source as that is now
(PEP 552), and only that is looked at here. Whatever is otherwise, a module without a compiled file
or one that was edited since, is left to Python, and so are packages, which are few.
"""

from __future__ import annotations

import marshal
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import CodeType, ModuleType

_PACKAGE = "lxgit."
_DIRECTORY = "__pycache__"
_STAMPED = bytes(4)
"""Compiled for a source of a certain time and size; others are for one of a certain digest."""


def install() -> None:
    """Have modules found so from now on, if this one has been compiled to where it is looked for.

    Python can be told to write compiled modules elsewhere, or none.
    """
    spec = __spec__
    start = f"{os.path.dirname(__file__)}/{_DIRECTORY}/loader"
    if any(isinstance(one, _Finder) for one in sys.meta_path):
        return
    if spec.cached is None or not spec.cached.startswith(start):
        return
    try:
        with open(spec.cached, "rb", buffering=0) as file:
            kind = file.read(8)
    except OSError:  # there is none, or it is not for this user to read
        return
    if kind[4:] == _STAMPED:
        sys.meta_path.insert(0, _Finder(type(spec), spec.cached.removeprefix(start), kind))


class _Finder:
    """A finder, and the loader of what it finds (importlib.abc has the interface of both).

    `ending` is what the names of compiled modules end with, `kind` what these begin with: a number
    of this version of Python, and _STAMPED.
    """

    def __init__(self, spec: type[ModuleSpec], ending: str, kind: bytes) -> None:
        self._spec = spec
        self._ending = ending
        self._kind = kind

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, _target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Where the module is, its code read already; None where Python shall look."""
        if path is None or not name.startswith(_PACKAGE):
            return None
        last = name.rpartition(".")[2]
        source = f"{path[0]}/{last}.py"
        compiled = f"{path[0]}/{_DIRECTORY}/{last}{self._ending}"
        code = self._code(source, compiled)
        if code is None:
            return None
        spec = self._spec(name, self, origin=source, loader_state=code)  # type: ignore[arg-type]
        spec.has_location = True
        spec.cached = compiled
        return spec

    def _code(self, source: str, compiled: str) -> CodeType | None:
        try:
            made_of = os.stat(source)
            fd = os.open(compiled, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return None
        try:
            data = os.read(fd, os.fstat(fd).st_size)
        finally:
            os.close(fd)
        if data[:16] != self._kind + _number(int(made_of.st_mtime)) + _number(made_of.st_size):
            return None
        code: CodeType = marshal.loads(memoryview(data)[16:])  # noqa: S302  # as Python does
        return code

    def create_module(self, _spec: ModuleSpec) -> None:
        """Python makes an ordinary one."""

    def exec_module(self, module: ModuleType) -> None:
        """Run the code that was found."""
        spec = module.__spec__
        assert spec is not None
        code, spec.loader_state = spec.loader_state, None
        exec(code, module.__dict__)  # noqa: S102  # what Python's own loader does


def _number(value: int) -> bytes:
    return (value & 0xFFFFFFFF).to_bytes(4, "little")
