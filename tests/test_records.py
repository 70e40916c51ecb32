"""Dataclasses of lxgit's, beside those of the standard library."""

from __future__ import annotations

import dataclasses
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from lxgit import records


def classes(of: ModuleType) -> SimpleNamespace:
    """The same classes, made by one or the other."""
    module: Any = of

    @module.dataclass(frozen=True, slots=True)
    class Point:
        x: int
        y: int = 2

        def sum(self) -> int:
            return self.x + self.y

        @property
        def double(self) -> int:
            return self.x * 2

    @module.dataclass(frozen=True, slots=True)
    class Sorted:
        names: tuple[str, ...]
        known: dict[str, Point] = module.field(default_factory=dict)

        def __post_init__(self) -> None:
            object.__setattr__(self, "names", tuple(sorted(self.names)))

    @module.dataclass(frozen=True, slots=True, kw_only=True)
    class Base:
        name: str = "base"
        size: int

    @module.dataclass(frozen=True, slots=True, kw_only=True)
    class Derived(Base):
        more: list[Point]
        size: int = 3

    @module.dataclass(frozen=True, slots=True, order=True)
    class Only:
        number: int

    @module.dataclass(slots=True)
    class Changing:
        items: list[int] = module.field(default_factory=list)

    @module.dataclass(frozen=True)
    class Open:
        number: int = 1

    made = {name: one for name, one in locals().items() if name[0].isupper()}
    return SimpleNamespace(**vars(module), **made)


OURS, STANDARD = classes(records), classes(dataclasses)
BOTH = pytest.mark.parametrize("of", [OURS, STANDARD], ids=["ours", "standard"])


@BOTH
class TestBoth:
    def test_fields_and_defaults(self, of: Any) -> None:
        assert (of.Point(1).x, of.Point(1).y, of.Point(y=5, x=4).sum()) == (1, 2, 9)
        assert of.Point(3).double == 6
        assert of.Derived(more=[]).size == 3
        assert [one.name for one in of.fields(of.Derived)] == ["name", "size", "more"]
        for wrong in ((), (1, 2, 3)):
            with pytest.raises(TypeError):
                of.Point(*wrong)
        with pytest.raises(TypeError):
            of.Derived([])

    def test_they_say_what_they_are(self, of: Any) -> None:
        assert repr(of.Point(1)) == "classes.<locals>.Point(x=1, y=2)"
        assert repr(of.Only(1)) == "classes.<locals>.Only(number=1)"
        assert of.Point.__module__ == __name__

    def test_equal_fields_make_equal_ones(self, of: Any) -> None:
        assert of.Point(1) == of.Point(1, 2) != of.Point(1, 3)
        assert of.Point(1) != (1, 2)
        assert len({of.Point(1), of.Point(1), of.Only(1), of.Only(1)}) == 2
        assert sorted(map(of.Only, (3, 1, 2))) == [*map(of.Only, (1, 2, 3))]
        with pytest.raises(TypeError):
            hash(of.Changing())
        with pytest.raises(TypeError):
            sorted((of.Point(1), of.Point(2)))

    def test_frozen_ones_stay(self, of: Any) -> None:
        point, unslotted = of.Point(1), of.Open()
        with pytest.raises(of.FrozenInstanceError, match="cannot assign to field 'x'"):
            point.x = 5
        with pytest.raises(of.FrozenInstanceError):
            unslotted.number = 5
        with pytest.raises(of.FrozenInstanceError, match="cannot delete field 'number'"):
            del unslotted.number
        changing = of.Changing()
        changing.items = [1]
        assert changing == of.Changing([1])

    def test_slots_are_all_there_is(self, of: Any) -> None:
        assert not hasattr(of.Derived(more=[]), "__dict__")
        assert hasattr(of.Open(), "__dict__")
        with pytest.raises(AttributeError):
            of.Changing().another = 1

    def test_what_is_made_anew_each_time(self, of: Any) -> None:
        assert of.Changing().items is not of.Changing().items
        assert of.Sorted(("b", "a")).names == ("a", "b")

    def test_copies(self, of: Any) -> None:
        changed = of.replace(of.Derived(name="n", more=[of.Point(1)]), size=8)
        assert changed == of.Derived(name="n", more=[of.Point(1)], size=8)
        assert of.replace(of.Sorted(("a",)), names=("z", "y")).names == ("y", "z")
        known = of.Sorted(("a",), {"p": of.Point(1)})
        assert of.asdict(known) == {"names": ("a",), "known": {"p": {"x": 1, "y": 2}}}
        assert of.asdict(changed)["more"] == [{"x": 1, "y": 2}]
