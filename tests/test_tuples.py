"""What a NamedTuple of lxgit's has of that of `typing`."""

from __future__ import annotations

import typing
from typing import Any

import pytest

from lxgit.tuples import NamedTuple


class Place(NamedTuple):
    """Somewhere."""

    name: str
    """What it is called."""
    at: tuple[int, int] = (0, 0)

    @property
    def shout(self) -> str:
        return self.name.upper()

    def moved(self, x: int) -> Place:
        return self._replace(at=(x, 0))


class Typing(typing.NamedTuple):
    name: str
    at: tuple[int, int] = (0, 0)


def test_fields_defaults_and_annotations_are_those_of_typing() -> None:
    assert Place._fields == Typing._fields
    assert Place._field_defaults == Typing._field_defaults
    assert typing.get_type_hints(Place) == typing.get_type_hints(Typing)
    assert tuple(Place("here")) == tuple(Typing("here"))
    assert repr(Place("here")) == "Place(name='here', at=(0, 0))"


@pytest.mark.parametrize("kind", [Place, Typing])
def test_fields_are_given_by_place_or_by_name(kind: Any) -> None:
    made = kind("here", (1, 2))
    assert made == kind(at=(1, 2), name="here") == kind("here", at=(1, 2))
    assert (made.name, made.at, made._asdict()) == ("here", (1, 2), {"name": "here", "at": (1, 2)})
    assert made._replace(name="there") == ("there", (1, 2))
    match made:
        case kind("here", at):
            assert at == (1, 2)


def test_what_else_stands_in_the_class_is_kept() -> None:
    assert Place.__doc__ == "Somewhere."
    assert (Place.__module__, Place.__qualname__) == (__name__, "Place")
    assert Place("here").shout == "HERE"
    assert Place("here").moved(3) == ("here", (3, 0))


@pytest.mark.parametrize("values", [(), (1, 2, 3)])
def test_values_that_do_not_fit_are_an_error(values: tuple[Any, ...]) -> None:
    for kind in (Place, Typing):
        with pytest.raises(TypeError):
            kind(*values)


@pytest.mark.parametrize("named", [{}, {"name": "again"}, {"colour": "red"}])
def test_names_that_do_not_fit_are_an_error(named: dict[str, Any]) -> None:
    given: list[Any] = ["here"] if named else []
    for kind in (Place, Typing):
        with pytest.raises(TypeError):
            kind(*given, **named)
        with pytest.raises(TypeError):
            kind("here")._replace(**{**named, "size": 1})
