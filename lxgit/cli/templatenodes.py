"""Go templates, last step: what each action does, as functions that write to a frame."""

from __future__ import annotations

from lxgit.cli.templatefuncs import FUNCTIONS, Text, in_line, shown
from lxgit.cli.templatelex import fault

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lxgit.cli.templatefuncs import Value
    from lxgit.cli.templatelex import Token

    Expression = Callable[["Frame"], Value]
    Node = Callable[["Frame"], None]


class Frame:
    """Where a template is while it is carried out."""

    def __init__(self, data: Value, *, heading: bool) -> None:
        self.dot: Value = data
        self.names: list[tuple[str, list[Value]]] = [("$", [data])]
        self.out: list[str] = []
        self.heading = heading

    def variable(self, name: Token) -> list[Value]:
        """The place of a variable's value."""
        for known, place in reversed(self.names):
            if known == name.text:
                return place
        raise fault(name.position, f"there is no variable '{name.text}'")

    def inside(self, dot: Value, nodes: Sequence[Node], names: dict[str, Value]) -> None:
        """Carry out a block with another dot, and variables that end with it."""
        before, count = self.dot, len(self.names)
        self.dot = dot
        self.names += [(name, [value]) for name, value in names.items()]
        try:
            run(nodes, self)
        finally:
            self.dot = before
            del self.names[count:]


class Break(Exception):
    """`break`."""


class Continue(Exception):
    """`continue`."""


def run(nodes: Sequence[Node], frame: Frame) -> None:
    """Carry out one node after another."""
    for node in nodes:
        node(frame)


def dot(frame: Frame) -> Value:
    """`.`: what is looked at."""
    return frame.dot


def variable(name: Token) -> Expression:
    """`$name`."""
    return lambda frame: frame.variable(name)[0]


def constant(value: object) -> Expression:
    """A value that stands in the template."""
    own = Text(value) if isinstance(value, str) else value
    return lambda _frame: own


def literal(text: str) -> Node:
    """What stands between actions."""
    return lambda frame: frame.out.append(text)


def printed(pipeline: Expression) -> Node:
    """`{{pipeline}}`; control characters of strangers' words, newlines among them, are escaped."""
    return lambda frame: frame.out.append(in_line(pipeline(frame)))


def assignment(name: Token, new: bool, pipeline: Expression) -> Node:
    """`{{$name := pipeline}}`, or `=` where it is not `new`."""

    def assign(frame: Frame) -> None:
        value = pipeline(frame)
        if new:
            frame.names.append((name.text, [value]))
        else:
            frame.variable(name)[0] = value

    return assign


def chosen(
    name: str | None,
    condition: Expression,
    nodes: Sequence[Node],
    otherwise: Sequence[Node],
    with_dot: bool,
) -> Node:
    """`if`, and `with`, which also moves the dot."""

    def choose(frame: Frame) -> None:
        value = condition(frame)
        names = {name: value} if name else {}
        inner = value if with_dot and value else frame.dot
        frame.inside(inner, nodes if value else otherwise, names)

    return choose


def repeated(
    position: int,
    names: Sequence[str],
    pipeline: Expression,
    nodes: Sequence[Node],
    otherwise: Sequence[Node],
) -> Node:
    """`range`: over the items of a list, or a map in the order of its keys."""

    def repeat(frame: Frame) -> None:
        value = pipeline(frame)
        if isinstance(value, dict):
            items = sorted(value.items())
        elif isinstance(value, list):
            items = list(enumerate(value))
        elif value is None or frame.heading:
            items = []
        else:
            raise fault(position, f"'range' takes a list or a map, and this is {shown(value)}")
        if not items:
            frame.inside(frame.dot, otherwise, {})
        for key, item in items:
            pair = (key, item) if len(names) == 2 else (item,)
            try:
                frame.inside(item, nodes, dict(zip(names, pair, strict=False)))
            except Continue:
                continue
            except Break:
                break

    return repeat


class _Map(dict[str, object]):
    """An object whose keys are a user's, and not fields: one that is not there is no mistake."""


_MAPS = frozenset({
    "Attributes", "Containers", "Data", "DriverOpts", "ExposedPorts", "Labels", "Networks",
    "Options", "PortBindings", "PortMapping", "Ports", "Sysctls", "Tmpfs", "Volumes",
})  # fmt: skip
"""What Docker has as maps, where the rest are structures."""


def field(name: Token, of: Expression) -> Expression:
    """`.name` of a value."""
    key = name.text[1:]

    def field(frame: Frame) -> Value:
        value = of(frame)
        if isinstance(value, dict) and key in value:
            found = value[key]
            return _Map(found) if key in _MAPS and isinstance(found, dict) else found
        if (value is None and not frame.heading) or isinstance(value, _Map):
            return None
        where = "" if isinstance(value, dict) else f" in {shown(value)}"
        raise fault(name.position, f"there is no '.{key}'{where}", _fields_hint(value))

    return field


def _fields_hint(value: object) -> str | None:
    if not isinstance(value, dict) or not value:
        return None
    return f"there are {', '.join(map(str, value))}"


def called(first: Token, head: Expression, arguments: Sequence[Expression]) -> Expression:
    """A field that takes arguments, as `.Label "x"`."""

    def called(frame: Frame) -> Value:
        function = head(frame)
        if frame.heading:
            return function
        if not callable(function):
            raise fault(first.position, f"'{first.text}' takes no arguments")
        return _applied(first, function, [argument(frame) for argument in arguments])

    return called


def call(name: Token, arguments: Sequence[Expression]) -> Expression:
    """A function with its arguments."""

    def call(frame: Frame) -> Value:
        if name.text in ("and", "or"):
            return _first_of(frame, arguments, wanted=name.text == "or")
        values = [argument(frame) for argument in arguments]
        if frame.heading and not name.text.startswith("print"):
            return values[0] if values else ""
        return _applied(name, FUNCTIONS[name.text], values)

    return call


def _first_of(frame: Frame, arguments: Sequence[Expression], *, wanted: bool) -> Value:
    """The first value whose truth is `wanted`, else the last; the others are not worked out."""
    value = None
    for argument in arguments:
        value = argument(frame)
        if bool(value) is wanted:
            break
    return value


def _applied(name: Token, function: Callable[..., Value], values: Sequence[Value]) -> Value:
    try:
        return function(*values)
    except ValueError as error:
        raise fault(name.position, f"{name.text}: {error}") from None
    except (TypeError, AttributeError):
        told = ", ".join(map(shown, values)) or "nothing"
        raise fault(name.position, f"'{name.text}' cannot be given {told}") from None
