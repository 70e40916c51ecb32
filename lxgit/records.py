"""Dataclasses as the standard library has them, made at a sixth of the cost.

Importing `dataclasses` takes 5 ms, most of it for `inspect`, and each frozen class with slots 0.4:
together a fifth of what `lxgit run` took. Here one function a class is compiled, `__init__`, for
the first instance; the others are the same for all. Of what the standard library offers there is
what this package uses. Type checkers see its own; tests/test_records.py compares the two.
"""

from __future__ import annotations

from operator import attrgetter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NoReturn

_FIELDS = "__lxgit_fields__"
_VALUES = "__lxgit_values__"
_MISSING: Any = object()


class FrozenInstanceError(AttributeError):
    """A field of a frozen instance was assigned to."""


class _Field:
    """A field of a class: its name, its default or what makes one."""

    __slots__ = ("default", "default_factory", "name")

    def __init__(self, name: str, default: Any, default_factory: Any = _MISSING) -> None:  # noqa: ANN401
        self.name = name
        self.default = default
        self.default_factory = default_factory


def _field(*, default_factory: Callable[[], Any]) -> _Field:
    return _Field("", _MISSING, default_factory)


def _fields(record: Any) -> tuple[_Field, ...]:  # noqa: ANN401
    return tuple(getattr(record, _FIELDS))


def _replace(record: Any, /, **changes: Any) -> Any:  # noqa: ANN401
    kept = {one.name: getattr(record, one.name) for one in _fields(record)}
    return type(record)(**{**kept, **changes})


def _asdict(value: Any) -> Any:  # noqa: ANN401
    if hasattr(type(value), _FIELDS):
        return {one.name: _asdict(getattr(value, one.name)) for one in _fields(value)}
    if isinstance(value, list | tuple):
        return type(value)(map(_asdict, value))
    if isinstance(value, dict):
        return {key: _asdict(item) for key, item in value.items()}
    return value


def _dataclass(
    *, frozen: bool = False, slots: bool = False, kw_only: bool = False, order: bool = False
) -> Callable[[type], type]:
    def make(cls: type) -> type:
        own = [_own_field(cls, name) for name in cls.__dict__["__annotations__"]]  # noqa: RUF063
        made: Any = _with_slots(cls, own) if slots else cls
        inherited = (one for base in cls.__bases__ for one in getattr(base, _FIELDS, ()))
        every = {one.name: one for one in (*inherited, *own)}
        setattr(made, _FIELDS, tuple(every.values()))
        setattr(made, _VALUES, staticmethod(attrgetter(*every)))
        methods = {**_METHODS, **(_ORDERED if order else {}), **(_FROZEN if frozen else {})}
        for name, method in methods.items():
            if name not in cls.__dict__:
                setattr(made, name, method)
        made.__init__ = _late_initializer(made, frozen=frozen, kw_only=kw_only)
        return made  # type: ignore[no-any-return]

    return make


def _own_field(cls: type, name: str) -> _Field:
    given = cls.__dict__.get(name, _MISSING)
    if isinstance(given, _Field):
        return _Field(name, _MISSING, given.default_factory)
    return _Field(name, given)


def _with_slots(cls: type, own: list[_Field]) -> type:
    """The class anew: slots must be there when it is made, and take the place of defaults."""
    names = tuple(one.name for one in own)
    left_out = {*names, "__dict__", "__weakref__"}
    body = {key: value for key, value in cls.__dict__.items() if key not in left_out}
    body |= {"__slots__": names, "__qualname__": cls.__qualname__}
    return type(cls.__name__, cls.__bases__, body)


def _late_initializer(cls: Any, *, frozen: bool, kw_only: bool) -> Callable[..., None]:  # noqa: ANN401
    """What compiles `__init__` for the first instance: of many classes there will be none."""

    def __init__(self: Any, *args: Any, **values: Any) -> None:  # noqa: ANN401, N807
        cls.__init__ = _initializer(cls, frozen=frozen, kw_only=kw_only)
        cls.__init__(self, *args, **values)

    return __init__


def _initializer(cls: type, *, frozen: bool, kw_only: bool) -> Callable[..., None]:
    space: dict[str, Any] = {"_missing": _MISSING, "_set": object.__setattr__}
    parameters, lines = ["self", *(["*"] if kw_only else [])], []
    for number, one in enumerate(_fields(cls)):
        name, value = one.name, one.name
        if one.default is not _MISSING:
            space[f"_default{number}"] = one.default
            parameters.append(f"{name}=_default{number}")
        elif one.default_factory is not _MISSING:
            space[f"_make{number}"] = one.default_factory
            parameters.append(f"{name}=_missing")
            value = f"_make{number}() if {name} is _missing else {name}"
        else:
            parameters.append(name)
        lines.append(f"_set(self, {name!r}, {value})" if frozen else f"self.{name} = {value}")
    if hasattr(cls, "__post_init__"):
        lines.append("self.__post_init__()")
    exec(f"def __init__({', '.join(parameters)}): {'; '.join(lines)}", space)  # noqa: S102
    made: Callable[..., None] = space["__init__"]
    return made


def _values(record: Any) -> Any:  # noqa: ANN401
    """Its fields: a tuple, or the value of the only one."""
    return getattr(record, _VALUES)(record)


def _repr(self: Any) -> str:  # noqa: ANN401
    shown = (f"{one.name}={getattr(self, one.name)!r}" for one in _fields(self))
    return f"{type(self).__qualname__}({', '.join(shown)})"


def _eq(self: Any, other: Any) -> bool:  # noqa: ANN401
    return _values(self) == _values(other) if type(other) is type(self) else NotImplemented


def _lt(self: Any, other: Any) -> bool:  # noqa: ANN401
    return _values(self) < _values(other) if type(other) is type(self) else NotImplemented


def _hash(self: Any) -> int:  # noqa: ANN401
    return hash(_values(self))


def _setattr(_self: Any, name: str, _value: object) -> NoReturn:  # noqa: ANN401
    raise FrozenInstanceError(f"cannot assign to field {name!r}")


def _delattr(_self: Any, name: str) -> NoReturn:  # noqa: ANN401
    raise FrozenInstanceError(f"cannot delete field {name!r}")


_METHODS = {"__repr__": _repr, "__eq__": _eq, "__hash__": None}
_ORDERED = {"__lt__": _lt}
_FROZEN = {
    "__hash__": _hash,
    "__setattr__": _setattr,
    "__delattr__": _delattr,
}

if TYPE_CHECKING:
    from dataclasses import asdict, dataclass, field, fields, replace
else:
    asdict, dataclass, field, fields, replace = _asdict, _dataclass, _field, _fields, _replace

__all__ = ["FrozenInstanceError", "asdict", "dataclass", "field", "fields", "replace"]
