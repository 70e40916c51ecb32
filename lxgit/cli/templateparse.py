"""Go templates, second step: tokens to nodes, by recursive descent."""

from __future__ import annotations

from lxgit.cli.templatefuncs import FUNCTIONS
from lxgit.cli.templatelex import Token, fault, tokens
from lxgit.cli.templatenodes import (
    Break,
    Continue,
    assignment,
    call,
    called,
    chosen,
    constant,
    dot,
    field,
    literal,
    printed,
    repeated,
    variable,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lxgit.cli.templatenodes import Expression, Frame, Node


class Parser:
    """Recursive descent over the tokens."""

    def __init__(self, text: str) -> None:
        self._tokens = list(tokens(text))
        self._at = 0
        self._ranges = 0

    def template(self) -> list[Node]:
        nodes, end = self._block()
        if end.kind != "end":
            raise fault(end.position, f"'{end.text}' ends nothing")
        return nodes

    def _next(self) -> Token:
        self._at += 1
        return self._tokens[self._at - 1]

    @property
    def _ahead(self) -> Token:
        return self._tokens[self._at]

    def _take(self, kind: str, text: str = "") -> Token | None:
        """The next token if it is such a one."""
        token = self._ahead
        return self._next() if token.kind == kind and text in ("", token.text) else None

    def _close(self) -> None:
        token = self._next()
        if token.kind != "close":
            raise fault(token.position, f"'{token.text}' is not expected here")

    def _block(self) -> tuple[list[Node], Token]:
        """What comes before `else`, `end` or the template's end, and which it was."""
        nodes: list[Node] = []
        while True:
            token = self._next()
            if token.kind == "text":
                nodes.append(literal(token.text))
                continue
            if token.kind == "open":
                token = self._ahead
                if token.kind != "word" or token.text not in ("else", "end"):
                    nodes.append(self._action())
                    continue
                self._next()
            return nodes, token

    def _action(self) -> Node:
        word = self._ahead
        if word.kind == "word":
            match word.text:
                case "if" | "with":
                    self._next()
                    return self._choice(with_dot=word.text == "with")
                case "range":
                    self._next()
                    return self._range()
                case "break" | "continue":
                    return self._leave(self._next())
                case "define" | "template" | "block":
                    raise fault(word.position, f"'{word.text}' is not known here")
        name = self._declared()
        pipeline = self._pipeline()
        self._close()
        return assignment(*name, pipeline) if name is not None else printed(pipeline)

    def _declared(self) -> tuple[Token, bool] | None:
        """The variable that an action gives a value, and whether it is a new one."""
        following = self._tokens[self._at + 1]
        if self._ahead.kind == "variable" and following.text in (":=", "="):
            name = self._next()
            return name, self._next().text == ":="
        return None

    def _choice(self, *, with_dot: bool) -> Node:
        """`if` and `with`, after the word."""
        name = self._declared()
        condition = self._pipeline()
        self._close()
        nodes, otherwise = self._branches(with_dot=with_dot)
        return chosen(name[0].text if name else None, condition, nodes, otherwise, with_dot)

    def _branches(self, *, with_dot: bool) -> tuple[list[Node], list[Node]]:
        """A block up to `end`, and that of its `else`."""
        nodes, end = self._block()
        otherwise: list[Node] = []
        if end.text == "else":
            if self._take("word", "with" if with_dot else "if"):
                otherwise = [self._choice(with_dot=with_dot)]
                return nodes, otherwise
            self._close()
            otherwise, end = self._block()
        if end.text != "end":
            raise fault(end.position, "'{{end}}' is missing")
        self._close()
        return nodes, otherwise

    def _range(self) -> Node:
        names: list[str] = []
        if self._ahead.kind == "variable" and self._tokens[self._at + 1].text in (",", ":="):
            names = [self._next().text]
            if self._take("mark", ","):
                second = self._take("variable")
                if second is None:
                    raise fault(self._ahead.position, "a variable is expected here")
                names.append(second.text)
            if not self._take("mark", ":="):
                raise fault(self._ahead.position, "':=' is expected here")
        at = self._ahead.position
        pipeline = self._pipeline()
        self._close()
        self._ranges += 1
        nodes, otherwise = self._branches(with_dot=False)
        self._ranges -= 1
        return repeated(at, names, pipeline, nodes, otherwise)

    def _leave(self, word: Token) -> Node:
        self._close()
        if not self._ranges:
            raise fault(word.position, f"'{word.text}' is in no 'range'")

        def leave(_frame: Frame) -> None:
            raise Break if word.text == "break" else Continue

        return leave

    def _pipeline(self) -> Expression:
        value = self._command(None)
        while self._take("mark", "|"):
            value = self._command(value)
        return value

    def _command(self, piped: Expression | None) -> Expression:
        """A function, field or value with arguments; the last of them comes through a pipe."""
        first = self._ahead
        named = first if first.kind == "word" and first.text in (*FUNCTIONS, "and", "or") else None
        operand = self._operand if named is None else self._next
        head = operand()
        arguments: list[Expression] = []
        while self._ahead.kind not in ("close", "end") and self._ahead.text not in ("|", ")"):
            arguments.append(self._operand())
        if piped is not None:
            arguments.append(piped)
        if named is not None:
            return call(named, arguments)
        assert not isinstance(head, Token)
        return called(first, head, arguments) if arguments else head

    def _operand(self) -> Expression:
        token = self._next()
        value = self._term(token)
        while self._ahead.kind == "field" and self._ahead.joined:
            value = field(self._next(), value)
        return value

    def _term(self, token: Token) -> Expression:
        if token.text in _CONSTANTS and token.kind == "word":
            return constant(_CONSTANTS[token.text])
        match token.kind, token.text:
            case "string" | "number", _:
                value = constant(_literal_value(token))
            case "variable", _:
                value = variable(token)
            case "field", _:
                value = field(token, dot)
            case "word", name if name in FUNCTIONS:
                value = call(token, [])
            case "word", name:
                known = ", ".join(sorted(FUNCTIONS))
                raise fault(token.position, f"there is no function '{name}'", f"there are {known}")
            case "mark", ".":
                value = dot
            case "mark", "(":
                value = self._parenthesis(token)
            case _:
                raise fault(token.position, "a value is expected here")
        return value

    def _parenthesis(self, token: Token) -> Expression:
        value = self._pipeline()
        if not self._take("mark", ")"):
            raise fault(token.position, "'(' is not closed")
        return value


_CONSTANTS = {"true": True, "false": False, "nil": None}


def _literal_value(token: Token) -> str | int | float:
    if token.kind == "number":
        return float(token.text) if "." in token.text else int(token.text)
    if token.text.startswith("`"):
        return token.text[1:-1]
    from json import loads

    try:
        return str(loads(token.text))
    except ValueError:
        message = f"{token.text} has an escape that is not known"
        raise fault(token.position, message) from None
