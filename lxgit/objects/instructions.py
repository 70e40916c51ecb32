"""Instructions of a Dockerfile that say how an image wants to run, and what they do to its config.

`commit --change` takes them one by one. Each is `NAME ARGUMENTS`; CMD, ENTRYPOINT and VOLUME also
take a JSON array of strings, and what is none is a command line for `/bin/sh -c`, as Docker has it
(Dockerfile reference). Variables stand for what ENV has said before.
"""

from __future__ import annotations

import json
import posixpath
import re
from typing import TYPE_CHECKING

from lxgit.errors import LxgitError
from lxgit.objects.imageconfig import ImageConfig, InvalidConfig, decode_config, encode_config
from lxgit.objects.words import expand, split_words
from lxgit.records import replace
from lxgit.tuples import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SHELL = ("/bin/sh", "-c")

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")  # all but the tab
_CONTINUED = re.compile(r"\\[ \t]*$")
_PORT = re.compile(r"(?P<first>[0-9]{1,5})(?:-(?P<last>[0-9]{1,5}))?(?:/(?P<kind>tcp|udp|sctp))?")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_SIGNAL = re.compile(r"(SIG)?[A-Z][A-Z0-9]*([+-][0-9]{1,2})?|[0-9]{1,2}")
_MOST_PORTS = 1 << 16


class BadInstruction(LxgitError):
    """A line that is no instruction, or one whose arguments make no sense."""


class Instruction(NamedTuple):
    """One line: the name in capitals, and the rest as it was written."""

    name: str
    rest: str


def read_instructions(text: str) -> Iterator[tuple[int, Instruction]]:
    """The instructions of a text, each with the number of its first line.

    Empty lines and those that begin with `#` are passed over; a backslash at the end of a line
    goes on with the next. BadInstruction names the line.
    """
    lines = text.split("\n")
    pending, first = "", 0
    for number, ended in enumerate(lines, start=1):
        line = ended.removesuffix("\r")
        if line.lstrip().startswith("#"):
            continue
        first = first if pending else number
        continued = _CONTINUED.search(line)
        pending += line[: continued.start()] if continued else line
        if not continued or number == len(lines):
            if pending.strip():
                yield first, _read(first, pending)
            pending = ""


def _read(number: int, line: str) -> Instruction:
    if (bad := _CONTROL.search(line)) is not None:
        raise BadInstruction(
            f"line {number} has the character {bad[0]!a}", hint="only text can stand there"
        )
    name, _, rest = line.strip().partition(" ")
    return Instruction(name.upper(), rest.strip())


def apply_text(config: ImageConfig, text: str) -> ImageConfig:
    """The config after every instruction of a text. BadInstruction names the line."""
    for number, instruction in read_instructions(text):
        try:
            config = apply(config, instruction)
        except LxgitError as error:
            raise BadInstruction(
                f"line {number}, {instruction.name}: {error.message}", hint=error.hint
            ) from None
    return checked(config)


def apply(config: ImageConfig, instruction: Instruction) -> ImageConfig:
    """The config after one instruction. BadInstruction, BadWord."""
    change = _CHANGES.get(instruction.name)
    if change is None:
        raise BadInstruction(
            "there is no such instruction for the config of an image",
            hint="one of " + " ".join(_CHANGES),
        )
    if not instruction.rest:
        raise BadInstruction("what to set is missing")
    return change(config, instruction.rest)


def checked(config: ImageConfig) -> ImageConfig:
    """The config, if it can be kept; BadInstruction for what no image can hold."""
    try:
        data = encode_config(config)
        decode_config(data)
    except (InvalidConfig, UnicodeEncodeError) as error:
        raise BadInstruction(f"the image cannot keep that: {error}") from None
    if b"\\u0000" in data.replace(b"\\\\", b""):
        raise BadInstruction("there is a NUL, which no program can be given")
    return config


def variables(config: ImageConfig) -> dict[str, str]:
    """What ENV has said so far."""
    pairs = (item.partition("=") for item in config.env)
    return {name: value for name, _, value in pairs}


def command_of(rest: str) -> tuple[str, ...]:
    """The exec form, a JSON array, as it is; the shell form behind `/bin/sh -c`."""
    words = json_words(rest)
    return (*SHELL, rest) if words is None else words


def json_words(rest: str) -> tuple[str, ...] | None:
    """The strings of a JSON array; None for anything else."""
    if not rest.startswith("["):
        return None
    try:
        found = json.loads(rest)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, list) or not all(isinstance(item, str) for item in found):
        return None
    return tuple(found)


def pairs_of(rest: str, known: dict[str, str]) -> Iterator[tuple[str, str]]:
    """`NAME=VALUE …`, or `NAME VALUE` where the value is all that follows."""
    words = split_words(rest)
    if "=" not in words[0]:
        name, _, value = rest.partition(" ")
        if not value.strip():
            raise BadInstruction(f"'{name}' has no value", hint=f"{name}=VALUE")
        yield expand(name, known), expand(value.strip(), known)
        return
    for word in words:
        name, equals, value = word.partition("=")
        if not name or not equals:
            raise BadInstruction(f"'{word}' is no NAME=VALUE")
        yield expand(name, known), expand(value, known)


def _words(config: ImageConfig, rest: str) -> list[str]:
    known = variables(config)
    return [expand(word, known) for word in split_words(rest)]


def _cmd(config: ImageConfig, rest: str) -> ImageConfig:
    return replace(config, cmd=command_of(rest))


def _entrypoint(config: ImageConfig, rest: str) -> ImageConfig:
    return replace(config, entrypoint=command_of(rest))


def _env(config: ImageConfig, rest: str) -> ImageConfig:
    known = variables(config)
    for name, value in pairs_of(rest, dict(known)):
        if not _NAME.fullmatch(name):
            raise BadInstruction(f"'{name}' cannot be the name of a variable")
        known[name] = value
    return replace(config, env=tuple(f"{name}={value}" for name, value in known.items()))


def _label(config: ImageConfig, rest: str) -> ImageConfig:
    labels = dict(config.labels) | dict(pairs_of(rest, variables(config)))
    return replace(config, labels=tuple(sorted(labels.items())))


def _expose(config: ImageConfig, rest: str) -> ImageConfig:
    ports = {port for word in _words(config, rest) for port in ports_of(word)}
    return replace(config, exposed_ports=tuple(sorted({*config.exposed_ports, *ports})))


def ports_of(word: str) -> Iterator[str]:
    """`80`, `53/udp`, `8000-8010/tcp` as the ports that they are: `80/tcp`. BadInstruction."""
    match = _PORT.fullmatch(word.lower())
    first = int(match["first"]) if match else 0
    last = int(match["last"] or first) if match else 0
    if match is None or not 0 < first <= last < _MOST_PORTS:
        raise BadInstruction(f"'{word}' is no port", hint="80, 53/udp or 8000-8010")
    return (f"{port}/{match['kind'] or 'tcp'}" for port in range(first, last + 1))


def _volume(config: ImageConfig, rest: str) -> ImageConfig:
    given = json_words(rest)
    places = _words(config, rest) if given is None else list(given)
    if "" in places or not places:
        raise BadInstruction("a volume needs a path")
    return replace(config, volumes=tuple(sorted({*config.volumes, *places})))


def _user(config: ImageConfig, rest: str) -> ImageConfig:
    return replace(config, user=_one(config, rest))


def _stop_signal(config: ImageConfig, rest: str) -> ImageConfig:
    name = _one(config, rest)
    if not _SIGNAL.fullmatch(name.upper()):
        raise BadInstruction(f"'{name}' is no signal", hint="SIGTERM, SIGRTMIN+3 or 15")
    return replace(config, stop_signal=name)


def _one(config: ImageConfig, rest: str) -> str:
    words = _words(config, rest)
    if len(words) != 1 or not words[0]:
        raise BadInstruction(f"'{rest}' is not one word")
    return words[0]


def _workdir(config: ImageConfig, rest: str) -> ImageConfig:
    path = posixpath.join(config.working_dir or "/", expand(rest, variables(config)))
    return replace(config, working_dir=posixpath.normpath(path).replace("//", "/"))


def _onbuild(config: ImageConfig, rest: str) -> ImageConfig:
    """Kept as Docker keeps it, for whoever builds on the image."""
    name = rest.partition(" ")[0].upper()
    if name in ("ONBUILD", "FROM", "MAINTAINER"):
        raise BadInstruction(f"{name} cannot stand there")
    kept = config.extra.get("OnBuild")
    triggers = [*(kept if isinstance(kept, list) else []), rest]
    return replace(config, extra={**config.extra, "OnBuild": triggers})


def _healthcheck(config: ImageConfig, rest: str) -> ImageConfig:
    from lxgit.objects.healthcheck import healthcheck_of

    return replace(config, extra={**config.extra, "Healthcheck": healthcheck_of(rest)})


_CHANGES: dict[str, Callable[[ImageConfig, str], ImageConfig]] = {
    "CMD": _cmd,
    "ENTRYPOINT": _entrypoint,
    "ENV": _env,
    "EXPOSE": _expose,
    "HEALTHCHECK": _healthcheck,
    "LABEL": _label,
    "ONBUILD": _onbuild,
    "STOPSIGNAL": _stop_signal,
    "USER": _user,
    "VOLUME": _volume,
    "WORKDIR": _workdir,
}
