"""NamedTuple as `typing` has it, without a compiler.

Where annotations are strings, `typing` compiles each one, only to see that it is an expression:
60 µs a class, and 600 for the first one, as compile() then makes the types of Python's syntax
trees. Most commands import fifteen such classes. Type checkers see `typing`'s own.
"""

from __future__ import annotations

from collections import namedtuple
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing import NamedTuple
else:

    class _Maker(type):
        def __new__(cls, name: str, bases: tuple[type, ...], body: dict[str, Any]) -> type:
            if not bases:
                return super().__new__(cls, name, bases, body)
            fields = body["__annotations__"]
            defaults = [body.pop(field) for field in fields if field in body]
            made = namedtuple(  # noqa: PYI024  # what the other one is made of
                name, fields, defaults=defaults, module=body.pop("__module__")
            )
            for key, value in body.items():
                setattr(made, key, value)
            return made

    class NamedTuple(metaclass=_Maker):
        """Fields with their types, as class variables; those with values have defaults."""


__all__ = ["NamedTuple"]
