"""Enum as `enum` has it, of which this package uses little.

Importing `enum` takes a millisecond, and each class of its 60 µs. Type checkers see that one;
tests/test_enums.py compares the two.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from enum import Enum
    from typing import Any
else:

    class _Maker(type):
        """Makes the members of a class: what has a name in capitals."""

        def __init__(cls, name: str, bases: tuple[type, ...], body: dict[str, Any]) -> None:
            super().__init__(name, bases, body)
            cls._members = {key: object.__new__(cls) for key in body if key.isupper()}
            for key, member in cls._members.items():
                member.name, member.value = key, body[key]
                setattr(cls, key, member)

        def __call__(cls, value: object) -> Enum:
            for member in cls:
                if member.value == value:
                    return member
            raise ValueError(f"{value!r} is no {cls.__name__}")

        def __getitem__(cls, name: str) -> Enum:
            return cls._members[name]

        def __iter__(cls) -> Iterator[Enum]:
            return iter(cls._members.values())

    class Enum(metaclass=_Maker):
        """Its members are found by value, `Kind("file")`, and by name, `Kind["FILE"]`."""

        def __repr__(self) -> str:
            return f"<{type(self).__name__}.{self.name}: {self.value!r}>"


__all__ = ["Enum"]
