"""How a command declares its options and arguments.

A command is a function whose parameters are annotated in Typer's way:

    @command(examples=(("lxgit ps -a", "the stopped ones too"),))
    def ps(
        session: Session,
        everything: Annotated[bool, option("-a", "--all", help="stopped ones too")] = False,
    ) -> None:

The declaration is data of our own, because importing Typer costs 40 ms and the first option that
is not a flag another 70 (it brings Pydantic), where `python -c pass` takes 11: `parse` reads
well-formed command lines from these declarations alone, `usage` turns them into Typer's own for
help and for the words about a line that is not well formed.

Options that several commands take together are the fields of a NamedTuple, annotated alike; a
parameter of that class, without a default of its own, is a group and gets all of them in one; a
group may hold others.

`Annotated` and `Literal` are this module's, which type checkers take for those of `typing`.

The types: `bool` is a flag, `int`, `str`, a `Literal` of strings a value, `tuple[str, ...]` any
number of them; with `| None` where there is no default.
"""

from __future__ import annotations

import sys

from lxgit.lean import cache, cached_property
from lxgit.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Annotated, Any, Literal

    from lxgit.cli.session import Session
else:

    class _Bracketed:
        """What stands in the brackets: of `typing`, whose import takes as long as a command."""

        def __init__(self, inside: object) -> None:
            self.inside = inside

        def __class_getitem__(cls, inside: object) -> _Bracketed:
            return cls(inside if isinstance(inside, tuple) else (inside,))

        def __or__(self, other: None) -> _Bracketed:
            return self  # whether it may be left out, its default says

    class Annotated(_Bracketed):
        """A type, and a Declaration."""

    class Literal(_Bracketed):
        """The words that a value is limited to."""


_UNION: Any = type(int | None)
_NONE = type(None)

Completes = Literal[
    "branch",
    "container",
    "copied",
    "filter",
    "format",
    "image",
    "inside",
    "json",
    "network",
    "path",
    "place",
    "revision",
    "tag",
    "volume",
    "",
]
"""What a shell offers for a value: `image` is a branch or tag, `revision` those and containers,
`place` a path of a revision too, as in `base:/etc/hosts`, where `path` is one of the host's;
`copied` one of the host's or of a container, `inside` of a container alone; `format` and `json`
what there is beside templates. A flag that has one says what the arguments are behind it."""


class Declaration(NamedTuple):
    """What `option`, `argument` and `paths` leave in an annotation."""

    names: tuple[str, ...]
    help: str
    metavar: str
    completes: Completes
    after_dashes: bool = False
    alone: str = ""


def option(
    *names: str, help: str, metavar: str = "", completes: Completes = "", alone: str = ""
) -> Declaration:
    """An option, with every spelling it has.

    One that has a worth `alone` takes its value behind `=`, and may have none; its names are long.
    """
    return Declaration(names, help, metavar, completes, alone=alone)


def argument(metavar: str, *, help: str = "", completes: Completes = "") -> Declaration:
    """A positional argument."""
    return Declaration((), help, metavar, completes)


def paths(*, help: str) -> Declaration:
    """What stands after `--`, as in `log -- PATH`."""
    return Declaration((), help, "PATH", "", after_dashes=True)


class Parameter(NamedTuple):
    """One option or argument, its annotation taken apart."""

    name: str
    declaration: Declaration
    kind: type
    """bool, int or str."""
    choices: tuple[str, ...]
    multiple: bool
    required: bool
    default: Any

    @property
    def is_option(self) -> bool:
        return bool(self.declaration.names)

    @property
    def is_flag(self) -> bool:
        return self.kind is bool


class Command:
    """A function that a name on the command line calls; its first parameter is the session.

    `examples` are command lines and what each is for. With `options_first` the first argument ends
    the options: what follows belongs to another program.
    """

    def __init__(
        self,
        function: Callable[..., int | None],
        examples: tuple[tuple[str, str], ...] = (),
        *,
        options_first: bool = False,
    ) -> None:
        self.function = function
        self.examples = examples
        self.options_first = options_first

    @cached_property
    def parameters(self) -> tuple[Parameter, ...]:
        """In the order of the signature, groups spread, without the session."""
        code = self.function.__code__
        names = code.co_varnames[1 : code.co_argcount]
        defaults = self.function.__defaults__ or ()
        given = dict(zip(reversed(names), reversed(defaults), strict=False))
        hints = _evaluated(self.function)
        return tuple(one for name in names for one in _spread(name, hints[name], given))

    def call(self, session: Session, values: dict[str, Any]) -> int | None:
        """Call the function with a value for each of `parameters`, by name."""
        hints = _evaluated(self.function)
        groups = {name: _filled(hint, values) for name, hint in hints.items() if _is_group(hint)}
        return self.function(session, **values, **groups)


def command(
    *, examples: tuple[tuple[str, str], ...] = (), options_first: bool = False
) -> Callable[[Callable[..., int | None]], Command]:
    """Make a `Command` of a function."""

    def decorate(function: Callable[..., int | None]) -> Command:
        return Command(function, examples, options_first=options_first)

    return decorate


@cache
def _evaluated(annotated: Any) -> dict[str, Any]:  # noqa: ANN401 - a function or a class
    """What its annotations stand for: typing.get_type_hints, all of them in one go."""
    names = vars(sys.modules[annotated.__module__])
    texts = annotated.__annotations__
    return dict(zip(texts, eval(f"({', '.join(texts.values())},)", names), strict=True))  # noqa: S307  # lxgit's own


def _is_group(hint: Any) -> bool:  # noqa: ANN401 - what an annotation stands for
    return hasattr(hint, "_fields")


def _spread(name: str, hint: Any, defaults: dict[str, Any]) -> list[Parameter]:  # noqa: ANN401
    """The parameter, or those of a group and of the groups in it."""
    if not _is_group(hint):
        return [_read_parameter(name, hint, defaults)]
    hints = _evaluated(hint)
    return [
        one for field in hint._fields for one in _spread(field, hints[field], hint._field_defaults)
    ]


def _filled(group: Any, values: dict[str, Any]) -> Any:  # noqa: ANN401 - a NamedTuple's class
    """A group with its values, which are taken out of `values`."""
    hints = _evaluated(group)
    return group(
        *[
            _filled(hints[field], values) if _is_group(hints[field]) else values.pop(field)
            for field in group._fields
        ]
    )


def _read_parameter(name: str, hint: Any, defaults: dict[str, Any]) -> Parameter:  # noqa: ANN401
    annotation, declaration = hint.inside
    kind, choices, multiple = _read_type(annotation)
    required = name not in defaults
    return Parameter(name, declaration, kind, choices, multiple, required, defaults.get(name))


def _read_type(annotation: Any) -> tuple[type, tuple[str, ...], bool]:  # noqa: ANN401
    """The type of one value, the words it is limited to, whether there may be several."""
    if isinstance(annotation, _UNION):
        (annotation,) = (part for part in annotation.__args__ if part is not _NONE)
    if getattr(annotation, "__origin__", None) is tuple:
        return annotation.__args__[0], (), True
    if hasattr(annotation, "inside"):
        return str, annotation.inside, False
    return annotation, (), False


__all__ = [
    "Annotated",
    "Command",
    "Completes",
    "Declaration",
    "Literal",
    "Parameter",
    "argument",
    "command",
    "option",
    "paths",
]
