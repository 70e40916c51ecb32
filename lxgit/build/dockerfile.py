"""A Dockerfile, read: its stages and their steps, each with the line that it begins in.

The language is that of the Dockerfile reference, as BuildKit reads it. Variables are left as they
are written: what they stand for is known when a step's turn has come (Scope). A file may be a
stranger's: it has a size, and what is wrong with it is said by line.
"""

from __future__ import annotations

import re
from contextlib import contextmanager

from lxgit.errors import LxgitError
from lxgit.objects.dockerlines import (
    BadInstruction,
    Heredoc,
    Instruction,
    json_words,
    read_instructions,
)
from lxgit.objects.words import BACKSLASH, split_words, words_with_ends
from lxgit.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MAX_SIZE = 1 << 20
"""Bytes of a Dockerfile."""

_FLAGS: dict[str, tuple[str, ...]] = {
    "ADD": ("chown", "chmod", "checksum", "exclude", "link", "unpack"),
    "COPY": ("from", "chown", "chmod", "exclude", "link", "parents"),
    "FROM": ("platform",),
    "RUN": ("mount", "network", "security"),
}
"""What each instruction takes before its arguments. HEALTHCHECK's own are read with the rest."""

_CONFIG = "CMD ENTRYPOINT ENV EXPOSE HEALTHCHECK LABEL ONBUILD SHELL STOPSIGNAL USER VOLUME WORKDIR"
_NAMES = (*_CONFIG.split(), "ADD", "ARG", "COPY", "FROM", "INSERT", "MAINTAINER", "RUN")
COPYING = ("ADD", "COPY", "INSERT")
"""What puts files into an image. INSERT is of 2013: ADD of an address."""

_WITH_HEREDOCS = ("ADD", "COPY", "RUN")
_NOT_LATER = ("FROM", "MAINTAINER", "ONBUILD")  # in ONBUILD

_STAGE = re.compile(r"[a-z][a-z0-9._-]*")
_DIRECTIVE = re.compile(r"#[ \t]*(?P<name>[A-Za-z][A-Za-z0-9]*)[ \t]*=[ \t]*(?P<value>.*)")
_FLAG = re.compile(r"--(?P<name>[a-z-]+)(?:=(?P<value>.*))?", re.DOTALL)
_SYNTAX = re.compile(r"(?:docker\.io/)?docker/dockerfile(?:-upstream)?(?:[:@].*)?")
_MAX_STAGES = 1000


class BadDockerfile(LxgitError):
    """A Dockerfile that cannot be built: the line, and what is wrong there."""


class Step(NamedTuple):
    """One instruction: `rest` is what stands behind its flags, `text` all of it in one line."""

    line: int
    name: str
    rest: str
    text: str
    flags: tuple[tuple[str, str], ...] = ()
    heredocs: tuple[Heredoc, ...] = ()
    place: str = "ONBUILD of the image"
    """Where a step of line 0 stands."""

    def flag(self, name: str, default: str = "") -> str:
        """The value of a flag, the last if there are several."""
        return dict(self.flags).get(name, default)

    def all_of(self, name: str) -> list[str]:
        """The values of a flag."""
        return [value for each, value in self.flags if each == name]

    def switch(self, name: str, *, default: bool = False) -> bool:
        """Whether a flag is set that has no value, or `true`, or `false`. BadInstruction."""
        value = self.flag(name, "true" if default else "false")
        if value not in ("", "true", "false"):
            raise BadInstruction(f"--{name} takes true or false, not '{value}'")
        return value != "false"

    @property
    def instruction(self) -> Instruction:
        """As those about an image's config are applied (objects/instructions.py)."""
        return Instruction(self.name, self.rest)


class Stage(NamedTuple):
    """What stands from one FROM to the next; `base` and `platform` as they are written."""

    origin: Step
    base: str
    platform: str
    name: str
    steps: tuple[Step, ...]


class Dockerfile(NamedTuple):
    """A whole file: the ARGs before the first FROM, the stages, and what to warn of."""

    arguments: tuple[Step, ...]
    stages: tuple[Stage, ...]
    escape: str = BACKSLASH
    warnings: tuple[str, ...] = ()


@contextmanager
def at(step: Step) -> Iterator[None]:
    """Have what is wrong with a step say where it stands. BadDockerfile."""
    try:
        yield
    except BadDockerfile:
        raise
    except LxgitError as error:
        where = f"line {step.line}" if step.line else step.place
        message = f"{where}, {step.name}: {error.message}"
        raise BadDockerfile(message, hint=error.hint) from error


def parse(data: bytes) -> Dockerfile:
    """The Dockerfile in these bytes. BadDockerfile."""
    if len(data) > MAX_SIZE:
        raise BadDockerfile("the Dockerfile is larger than 1 MiB")
    text = data.decode("utf-8", "surrogateescape").removeprefix("\ufeff")
    directives = _directives(text)
    escape = directives.get("escape", BACKSLASH)
    steps = []
    try:
        for number, instruction in read_instructions(
            text, escape=escape, with_heredocs=_WITH_HEREDOCS
        ):
            written = _written(number, instruction)
            with at(written):
                steps.append(_taken_apart(written, escape))
    except BadInstruction as error:
        raise BadDockerfile(error.message, hint=error.hint) from None
    return _staged(steps, escape, _warnings(directives))


def parse_later(text: str) -> Step:
    """What ONBUILD has put off, as a step of line 0. BadInstruction, BadWord."""
    found = [instruction for _, instruction in read_instructions(text)]
    if len(found) != 1:
        raise BadInstruction(f"'{text[:80]}' is not one instruction")
    if found[0].name in _NOT_LATER:
        raise BadInstruction(f"{found[0].name} cannot stand there")
    return _taken_apart(_written(0, found[0]), BACKSLASH)


def _directives(text: str) -> dict[str, str]:
    """`# NAME=VALUE` in the first lines: of those that are known, the values."""
    found: dict[str, str] = {}
    for number, line in enumerate(text.split("\n"), start=1):
        match = _DIRECTIVE.fullmatch(line)
        name = match["name"].lower() if match else ""
        if match is None or name not in ("syntax", "escape", "check"):
            break
        if name in found:
            raise BadDockerfile(f"line {number}: there are two '{name}' directives")
        found[name] = match["value"].rstrip(" \t\r")
    if found.get("escape", BACKSLASH) not in (BACKSLASH, "`"):
        raise BadDockerfile(
            f"the escape character cannot be {found['escape'][:20]!r}", hint="\\ or ` can"
        )
    return found


def _warnings(directives: dict[str, str]) -> tuple[str, ...]:
    syntax = directives.get("syntax", "docker/dockerfile")
    if _SYNTAX.fullmatch(syntax):
        return ()
    return (f"the syntax '{syntax[:80]}' is not known: this is read as a Dockerfile",)


def _written(number: int, instruction: Instruction) -> Step:
    """An instruction as a step, its flags still among its arguments."""
    name, rest, heredocs = instruction
    return Step(number, name, rest, " ".join((name, *rest.split())), heredocs=heredocs)


def _taken_apart(step: Step, escape: str) -> Step:
    """A step whose arguments are there as far as can be told. BadInstruction, BadWord."""
    _check_name(step.name)
    flags, rest = _flags(step.name, step.rest, escape)
    if not rest:
        raise BadInstruction("its arguments are missing")
    if step.name == "ONBUILD":
        parse_later(rest)
    if step.name in COPYING:
        copied_words(rest, escape)
    return step._replace(rest=rest, flags=flags)


def _check_name(name: str) -> None:
    if name in _NAMES:
        return
    from difflib import get_close_matches

    near = get_close_matches(name[:40], _NAMES, n=1)
    hint = f"did you mean {near[0]}?" if near else "one of " + " ".join(sorted(_NAMES))
    raise BadInstruction("there is no such instruction", hint=hint)


def _flags(name: str, rest: str, escape: str) -> tuple[tuple[tuple[str, str], ...], str]:
    """The flags before the arguments, and those. BadInstruction."""
    known = _FLAGS.get(name, ())
    found = []
    end = 0
    words = words_with_ends(rest, escape)
    while known and rest.startswith("--", end):
        word, end = next(words)
        if word == "--":
            break
        match = _FLAG.fullmatch(word)
        if match is None or match["name"] not in known:
            takes = " ".join(f"--{each}" for each in known)
            raise BadInstruction(f"'{word[:80]}' is not understood", hint=f"it takes {takes}")
        found.append((match["name"], match["value"] or ""))
    return tuple(found), rest[end:]


def copied_words(rest: str, escape: str) -> list[str]:
    """The sources of COPYING and the destination, as written; a JSON array's as they are."""
    listed = json_words(rest)
    words = split_words(rest, escape) if listed is None else list(listed)
    if len(words) < 2:
        raise BadInstruction("it needs a source and a destination", hint="COPY SOURCE… DESTINATION")
    return words


def _staged(steps: Iterable[Step], escape: str, warnings: tuple[str, ...]) -> Dockerfile:
    arguments: list[Step] = []
    stages: list[Stage] = []
    following: list[list[Step]] = []  # what follows each FROM
    for step in steps:
        with at(step):
            if step.name == "FROM":
                stages.append(_stage(step, stages, escape))
                following.append([])
            elif following:
                following[-1].append(step)
            elif step.name == "ARG":
                arguments.append(step)
            else:
                raise BadInstruction("FROM comes first", hint="FROM scratch begins with nothing")
    if not stages:
        raise BadDockerfile("the Dockerfile has no FROM", hint="FROM IMAGE is its first line")
    whole = (stage._replace(steps=tuple(own)) for stage, own in zip(stages, following, strict=True))
    return Dockerfile(tuple(arguments), tuple(whole), escape, warnings)


def _stage(step: Step, before: list[Stage], escape: str) -> Stage:
    """`FROM [--platform=…] BASE [AS NAME]`. BadInstruction."""
    words = split_words(step.rest, escape)
    name = words[2].lower() if len(words) == 3 else ""
    if len(words) not in (1, 3) or (name and words[1].upper() != "AS"):
        raise BadInstruction(f"'{step.rest[:80]}' is not understood", hint="FROM IMAGE [AS NAME]")
    if name and not _STAGE.fullmatch(name):
        raise BadInstruction(f"'{words[2][:80]}' cannot name a stage", hint="such as build")
    if len(before) == _MAX_STAGES:
        raise BadInstruction(f"more than {_MAX_STAGES} stages")
    return Stage(step, words[0], step.flag("platform"), name, ())
