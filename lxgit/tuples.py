"""NamedTuple as `typing` has it, without a compiler.

`typing` compiles each annotation that is a string, only to see that it is an expression, and
`collections.namedtuple` a `__new__` for each class: together 90 µs a class, where most commands
import fifteen and `run` fifty. Here all classes have the same methods, which takes 6 µs a class and
a tenth of one more for each instance. Type checkers see `typing`'s own.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, NamedTuple, Self
else:
    from _operator import itemgetter  # `operator` is this and much more

    class _Fields(tuple):
        """What all of them can do; a class adds `_fields`, `_field_defaults` and the fields."""

        __slots__ = ()

        def __new__(cls, *values: object, **named: object) -> Self:
            if named or len(values) != len(cls._fields):
                values = _complete(cls, values, named)
            return tuple.__new__(cls, values)

        def __getnewargs__(self) -> tuple[Any, ...]:
            return tuple(self)

        def __repr__(self) -> str:
            shown = (f"{name}={value!r}" for name, value in self._asdict().items())
            return f"{type(self).__name__}({', '.join(shown)})"

        def _asdict(self) -> dict[str, Any]:
            return dict(zip(self._fields, self, strict=True))

        def _replace(self, **changes: object) -> Self:
            kept = [
                changes.pop(name, value) for name, value in zip(self._fields, self, strict=True)
            ]
            return type(self)(*kept, **changes)

    def _complete(
        cls: type, values: tuple[object, ...], named: dict[str, object]
    ) -> Sequence[object]:
        """The value of each field, from what stands in a call; TypeError where that is wrong."""
        defaults = cls._field_defaults
        missing = len(cls._fields) - len(values)
        if not named and 0 < missing <= len(defaults):  # they stand at the end
            return (*values, *list(defaults.values())[-missing:])
        try:
            rest = [
                named.pop(field) if field in named else defaults[field]
                for field in cls._fields[len(values) :]
            ]
        except KeyError as error:
            raise TypeError(f"{cls.__name__} needs a value for {error}") from None
        if named or len(values) + len(rest) > len(cls._fields):
            raise TypeError(f"{cls.__name__} has no place for all of these values")
        return [*values, *rest]

    class _Maker(type):
        def __new__(cls, name: str, bases: tuple[type, ...], body: dict[str, Any]) -> type:
            if not bases:
                return super().__new__(cls, name, bases, body)
            fields = tuple(body["__annotations__"])
            kept = {
                "__slots__": (),
                "__match_args__": fields,
                "_fields": fields,
                "_field_defaults": {field: body[field] for field in fields if field in body},
            }
            getters = {field: property(itemgetter(at)) for at, field in enumerate(fields)}
            return type(name, (_Fields,), {**body, **kept, **getters})

    class NamedTuple(metaclass=_Maker):
        """Fields with their types, as class variables; those with values have defaults."""


__all__ = ["NamedTuple"]
