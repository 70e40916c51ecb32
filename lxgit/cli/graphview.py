"""Writing beside the drawing of `log --graph`."""

from __future__ import annotations

from itertools import chain, repeat

from lxgit.cli.output import Writer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Self

    from lxgit.cli.output import Output
    from lxgit.operations.logvalues import Drawing


class Pen(Writer):
    """An `Output` for one commit: each line goes behind the next line of the drawing.

    What is left of the drawing follows when the `with` is left.
    """

    def __init__(self, out: Output, drawing: Drawing) -> None:
        self._out = out
        self._steps = list(drawing.steps)
        self._before = chain((drawing.mark,), self._each_step(), repeat(drawing.padding))
        self._rest = bytearray()
        for line in drawing.lead:
            out.line(line)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._rest:
            self.line()
        for step in self._steps:
            self._out.line(step)

    def _each_step(self) -> Iterator[str]:
        while self._steps:
            yield self._steps.pop(0)

    def put(self, data: bytes) -> None:
        """Add text that may have any number of lines."""
        self._rest += data
        *whole, rest = self._rest.split(b"\n")
        self._rest = rest
        for line in whole:
            self._out.write(next(self._before))
            self._out.line(bytes(line))
