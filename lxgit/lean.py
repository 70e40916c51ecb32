"""What every command needs of `contextlib`, `functools` and `re`, and no more than that.

The first two bring `collections`, `types`, `operator` and abstract classes: 2 ms, as much as all
modules of `branch` together. The modules that the lightest commands load take it from here; others,
which pay for those anyway, from where it is known. A regular expression takes 50 to 200 µs to be
compiled. Type checkers see the standard library's own; tests/test_lean.py compares the two.

And how every room counts times and breaks them down, which is to cost nobody a module.
"""

# ruff: noqa: ANN401  # what a generator yields, or a function returns, is not for us to know

from __future__ import annotations

from time import gmtime, struct_time

NANOSECONDS = 1_000_000_000
"""In a second."""


def calendar_time(seconds: int) -> struct_time:
    """Seconds since 1970 in UTC; the epoch for what no calendar has, as Git."""
    try:
        there = gmtime(seconds)
    except (OverflowError, OSError, ValueError):
        return gmtime(0)
    return there if there.tm_year > 0 else gmtime(0)  # Python has 32 bits for a year


TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from contextlib import closing, contextmanager, suppress
    from functools import cache, cached_property
    from re import compile as pattern
    from typing import Any
else:
    _MOST_KNOWN = 1000
    """Answers that `cache` keeps: what is asked may be a stranger's."""

    class _Closing:
        """Closes a thing at the end of a `with`."""

        def __init__(self, thing: Any) -> None:
            self._thing = thing

        def __enter__(self) -> Any:
            return self._thing

        def __exit__(self, *_: object) -> None:
            self._thing.close()

    class _Suppress:
        """Ends a `with` at such an exception, quietly; not those of a group."""

        def __init__(self, *kinds: type[BaseException]) -> None:
            self._kinds = kinds

        def __enter__(self) -> None:
            pass

        def __exit__(self, kind: type[BaseException] | None, *_: object) -> bool:
            return kind is not None and issubclass(kind, self._kinds)

    class _Generated:
        """A `with` whose beginning and end are what a generator does before and after it yields."""

        def __init__(self, generator: Generator[Any]) -> None:
            self._generator = generator

        def __enter__(self) -> Any:
            try:
                return next(self._generator)
            except StopIteration:
                raise RuntimeError("a context that never begins") from None

        def __exit__(self, kind: object, raised: BaseException | None, traceback: object) -> bool:
            if raised is None:
                for _ in self._generator:
                    raise RuntimeError("a context that does not end")
                return False
            try:
                self._generator.throw(raised)
            except StopIteration as end:
                return end is not raised
            except BaseException as error:
                # Its own exception comes out as it went in: `with` raises it again. Of a
                # StopIteration the generator has made a RuntimeError (PEP 479).
                same = error is raised or (
                    isinstance(raised, StopIteration) and error.__cause__ is raised
                )
                if not same:
                    raise
                raised.__traceback__ = traceback
                return False
            raise RuntimeError("a context that does not end")

    def contextmanager(function: Callable[..., Generator[Any]]) -> Callable[..., _Generated]:
        """Make a context of what a generator does before and after it yields."""

        def made(*values: object, **named: object) -> _Generated:
            return _Generated(function(*values, **named))

        return _like(made, function)

    def cache(function: Callable[..., Any]) -> Callable[..., Any]:
        """Keep the answers to the same values; `cache_clear` forgets them."""
        known = {}

        def made(*values: object) -> Any:
            try:
                return known[values]
            except KeyError:
                pass
            if len(known) >= _MOST_KNOWN:
                known.clear()
            answer = known[values] = function(*values)
            return answer

        made.cache_clear = known.clear
        return _like(made, function)

    class _CachedProperty:
        """Asked once of each instance, which then has it as an attribute."""

        def __init__(self, function: Callable[[Any], Any]) -> None:
            self._function = function
            self.__doc__ = function.__doc__

        def __set_name__(self, owner: type, name: str) -> None:
            self._name = name

        def __get__(self, instance: Any, owner: type | None = None) -> Any:
            if instance is None:
                return self
            value = instance.__dict__[self._name] = self._function(instance)
            return value

    class _Pattern:
        """A regular expression that is compiled when it is first used: most of `run` never are."""

        def __init__(self, *given: Any) -> None:
            self._given = given

        def __getattr__(self, name: str) -> Any:
            import re

            value = self.__dict__[name] = getattr(re.compile(*self._given), name)
            return value

    def _like(made: Any, function: Any) -> Any:
        made.__name__, made.__qualname__ = function.__name__, function.__qualname__
        made.__module__, made.__doc__ = function.__module__, function.__doc__
        return made

    cached_property, closing = _CachedProperty, _Closing
    pattern, suppress = _Pattern, _Suppress


__all__ = [
    "NANOSECONDS",
    "cache",
    "cached_property",
    "closing",
    "contextmanager",
    "pattern",
    "suppress",
]
