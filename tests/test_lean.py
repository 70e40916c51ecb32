"""What lxgit.lean has of contextlib and functools."""

# mypy: disable-error-code="untyped-decorator"

from __future__ import annotations

import contextlib
import functools
from typing import TYPE_CHECKING, Any

import pytest

from lxgit import lean

if TYPE_CHECKING:
    from collections.abc import Iterator


def fail(error: Exception | None) -> None:
    if error is not None:
        raise error


both_contexts = pytest.mark.parametrize("module", [lean, contextlib], ids=["ours", "theirs"])
both_caches = pytest.mark.parametrize("module", [lean, functools], ids=["ours", "theirs"])


@both_contexts
def test_a_context_begins_and_ends(module: Any) -> None:
    told = []

    @module.contextmanager
    def told_of(word: str, *, loud: bool = False) -> Iterator[str]:
        told.append("begun")
        yield word.upper() if loud else word
        told.append("ended")

    with told_of("a", loud=True) as given:
        told.append(given)
    assert told == ["begun", "A", "ended"]
    assert told_of.__name__ == "told_of"


@both_contexts
@pytest.mark.parametrize("kind", [ValueError, StopIteration, GeneratorExit, KeyboardInterrupt])
def test_what_is_raised_comes_out_as_it_is(module: Any, kind: type[BaseException]) -> None:
    ended = []

    @module.contextmanager
    def cleaned() -> Iterator[None]:
        try:
            yield
        finally:
            ended.append(True)

    raised = kind("once")
    with pytest.raises(kind) as caught, cleaned():
        raise raised
    assert caught.value is raised
    assert ended == [True]
    frames = [entry.name for entry in caught.traceback]
    assert "cleaned" not in frames


@both_contexts
def test_a_context_may_swallow_and_replace(module: Any) -> None:
    @module.contextmanager
    def changed() -> Iterator[None]:
        try:
            yield
        except KeyError:
            pass
        except ValueError as error:
            raise TypeError("another") from error

    with changed():
        fail(KeyError())
    with pytest.raises(TypeError, match="another") as caught, changed():
        fail(ValueError())
    assert isinstance(caught.value.__cause__, ValueError)


@both_contexts
@pytest.mark.parametrize("failing", [False, True])
def test_a_context_that_does_not_end_is_told(module: Any, *, failing: bool) -> None:
    @module.contextmanager
    def twice() -> Iterator[None]:
        with contextlib.suppress(KeyError):
            yield
        yield

    with pytest.raises(RuntimeError), twice():
        fail(KeyError() if failing else None)


@both_contexts
def test_a_context_that_never_begins_is_told(module: Any) -> None:
    @module.contextmanager
    def never() -> Iterator[None]:
        yield from ()

    with pytest.raises(RuntimeError), never():
        raise AssertionError


@both_contexts
def test_suppress_ends_quietly(module: Any) -> None:
    with module.suppress(OSError, KeyError):
        fail(FileNotFoundError())
    with pytest.raises(ValueError, match="other"), module.suppress(OSError, KeyError):
        raise ValueError("other")
    with module.suppress(OSError):
        pass


@both_contexts
def test_closing_closes(module: Any) -> None:
    with module.closing(iter_ := (number for number in (1, 2))) as given:
        assert next(given) == 1
    assert list(iter_) == []


@both_caches
def test_a_property_is_asked_once_of_each(module: Any) -> None:
    class Thing:
        asked = 0

        @module.cached_property
        def value(self) -> int:
            """The value."""
            self.asked += 1
            return 7

    one, other = Thing(), Thing()
    assert (one.value, one.value, one.asked, other.asked) == (7, 7, 1, 0)
    assert vars(one)["value"] == 7
    assert Thing.value.__doc__ == "The value."


@both_caches
def test_answers_are_kept_until_they_are_cleared(module: Any) -> None:
    asked = []

    @module.cache
    def doubled(number: int) -> int:
        asked.append(number)
        return 2 * number

    assert [doubled(1), doubled(1), doubled(2)] == [2, 2, 4]
    assert asked == [1, 2]
    doubled.cache_clear()
    assert doubled(1) == 2
    assert asked == [1, 2, 1]
    assert doubled.__name__ == "doubled"


def test_answers_do_not_grow_without_end() -> None:
    asked = []

    @lean.cache
    def same(number: int) -> int:
        asked.append(number)
        return number

    for number in range(5000):
        same(number)
    assert same(0) == 0
    assert asked.count(0) == 2
