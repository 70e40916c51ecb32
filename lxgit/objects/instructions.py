"""Instructions of a Dockerfile that say how an image wants to run, and what they do to its config.

`commit --change` takes them one by one, a build (lxgit.build) between others. Each is `NAME
ARGUMENTS`; CMD, ENTRYPOINT and VOLUME also take a JSON array of strings, and what is none is a
command line for the image's SHELL, `/bin/sh -c` by default, as Docker has it (Dockerfile
reference). Variables stand for what ENV has said before, or else ARG.
"""

from __future__ import annotations

import posixpath
import re

from lxgit.errors import LxgitError
from lxgit.objects.dockerlines import BadInstruction, Instruction, json_words, read_instructions
from lxgit.objects.imageconfig import (
    DEFAULT_PATH,
    ImageConfig,
    InvalidConfig,
    decode_config,
    encode_config,
)
from lxgit.objects.words import BACKSLASH, Room, expand, expand_all, split_words
from lxgit.records import replace
from lxgit.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

SHELL = ("/bin/sh", "-c")

_PORT = re.compile(r"(?P<first>[0-9]{1,5})(?:-(?P<last>[0-9]{1,5}))?(?:/(?P<kind>tcp|udp|sctp))?")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_SIGNAL = re.compile(
    r"(?:SIG)?(?:RTM(?:IN\+|AX-)(?P<offset>[0-9]{1,2})|(?P<name>[A-Z][A-Z0-9]*))"
    r"|(?P<number>[0-9]{1,2})"
)
_MOST_PORTS = 1 << 16


class Scope(NamedTuple):
    """What stands around an instruction: what ARG has set, and the escape character."""

    arguments: Mapping[str, str] = {}
    escape: str = BACKSLASH

    def variables(self, config: ImageConfig) -> dict[str, str]:
        """What variables stand for in it: what ENV says goes before what ARG says."""
        return {"PATH": DEFAULT_PATH, **self.arguments, **variables(config)}

    def words(self, rest: str, config: ImageConfig) -> list[str]:
        """Its words, expanded. BadWord."""
        return self.all_of(split_words(rest, self.escape), config)

    def all_of(self, words: Iterable[str], config: ImageConfig) -> list[str]:
        """These words, expanded. BadWord."""
        return expand_all(words, self.variables(config), self.escape)

    def word(self, rest: str, config: ImageConfig) -> str:
        """All of it as one word, expanded. BadWord."""
        return expand(rest, self.variables(config), self.escape)


USUAL = Scope()


def apply_text(config: ImageConfig, text: str) -> ImageConfig:
    """The config after every instruction of a text. BadInstruction names the line."""
    for number, instruction in read_instructions(text):
        try:
            config = apply(config, instruction)
        except LxgitError as error:
            raise BadInstruction(
                f"line {number}, {instruction.name}: {error.message}", hint=error.hint
            ) from None
    return config


def apply(config: ImageConfig, instruction: Instruction, scope: Scope = USUAL) -> ImageConfig:
    """The config after one instruction, which can be kept. BadInstruction, BadWord."""
    change = _CHANGES.get(instruction.name)
    if change is None:
        raise BadInstruction(
            "there is no such instruction for the config of an image",
            hint="one of " + " ".join(_CHANGES),
        )
    if not instruction.rest:
        raise BadInstruction("what to set is missing")
    return checked(change(config, instruction.rest, scope))


def checked(config: ImageConfig) -> ImageConfig:
    """The config, if it can be kept; BadInstruction for what no image can hold."""
    try:
        decode_config(encode_config(config))
    except (InvalidConfig, UnicodeEncodeError) as error:
        raise BadInstruction(f"the image cannot keep that: {error}") from None
    return config


def variables(config: ImageConfig) -> dict[str, str]:
    """What ENV has said so far."""
    pairs = (item.partition("=") for item in config.env)
    return {name: value for name, _, value in pairs}


def shell_of(config: ImageConfig) -> tuple[str, ...]:
    """What a command line is for: what SHELL has said, or `/bin/sh -c`."""
    said = config.extra.get("Shell")
    return tuple(map(str, said)) if isinstance(said, list) and said else SHELL


def command_of(rest: str, config: ImageConfig) -> tuple[str, ...]:
    """The exec form, a JSON array, as it is; the shell form behind the image's shell."""
    words = json_words(rest)
    return (*shell_of(config), rest) if words is None else words


def pairs_of(rest: str, config: ImageConfig, scope: Scope) -> Iterator[tuple[str, str]]:
    """`NAME=VALUE …`, or `NAME VALUE` where the value is all that follows."""
    words = split_words(rest, scope.escape)
    if "=" not in words[0]:
        name, *value = rest.split(maxsplit=1)
        if not value:
            raise BadInstruction(f"'{name}' has no value", hint=f"{name}=VALUE")
        yield scope.word(name, config), scope.word(value[0], config)
        return
    known, room = scope.variables(config), Room()
    for word in words:
        name, equals, value_of = word.partition("=")
        if not name or not equals:
            raise BadInstruction(f"'{word}' is no NAME=VALUE")
        pair = (expand(one, known, scope.escape) for one in (name, value_of))
        yield room.take(next(pair)), room.take(next(pair))


def _cmd(config: ImageConfig, rest: str, _: Scope) -> ImageConfig:
    return replace(config, cmd=command_of(rest, config))


def _entrypoint(config: ImageConfig, rest: str, _: Scope) -> ImageConfig:
    return replace(config, entrypoint=command_of(rest, config))


def _env(config: ImageConfig, rest: str, scope: Scope) -> ImageConfig:
    known = variables(config)
    for name, value in pairs_of(rest, config, scope):
        if not _NAME.fullmatch(name):
            raise BadInstruction(f"'{name}' cannot be the name of a variable")
        known[name] = value
    return replace(config, env=tuple(f"{name}={value}" for name, value in known.items()))


def _label(config: ImageConfig, rest: str, scope: Scope) -> ImageConfig:
    labels = dict(config.labels) | dict(pairs_of(rest, config, scope))
    return replace(config, labels=tuple(sorted(labels.items())))


def _expose(config: ImageConfig, rest: str, scope: Scope) -> ImageConfig:
    ports = {port for word in scope.words(rest, config) for port in ports_of(word)}
    return replace(config, exposed_ports=tuple(sorted({*config.exposed_ports, *ports})))


def ports_of(word: str) -> Iterator[str]:
    """`80`, `53/udp`, `8000-8010/tcp` as the ports that they are: `80/tcp`. BadInstruction."""
    match = _PORT.fullmatch(word.lower())
    first = int(match["first"]) if match else 0
    last = int(match["last"] or first) if match else 0
    if match is None or not 0 < first <= last < _MOST_PORTS:
        raise BadInstruction(f"'{word}' is no port", hint="80, 53/udp or 8000-8010")
    return (f"{port}/{match['kind'] or 'tcp'}" for port in range(first, last + 1))


def _volume(config: ImageConfig, rest: str, scope: Scope) -> ImageConfig:
    given = json_words(rest)
    places = scope.words(rest, config) if given is None else list(given)
    if "" in places or not places:
        raise BadInstruction("a volume needs a path")
    return replace(config, volumes=tuple(sorted({*config.volumes, *places})))


def _user(config: ImageConfig, rest: str, scope: Scope) -> ImageConfig:
    return replace(config, user=_one(config, rest, scope))


def _stop_signal(config: ImageConfig, rest: str, scope: Scope) -> ImageConfig:
    name = _one(config, rest, scope)
    if not _is_signal(name.upper()):
        raise BadInstruction(f"'{name}' is no signal", hint="SIGTERM, SIGRTMIN+3 or 15")
    return replace(config, stop_signal=name)


def _is_signal(name: str) -> bool:
    from signal import Signals

    match = _SIGNAL.fullmatch(name)
    if match is None or match["number"] or match["offset"]:
        return match is not None
    return f"SIG{match['name']}" in Signals.__members__


def _one(config: ImageConfig, rest: str, scope: Scope) -> str:
    words = scope.words(rest, config)
    if len(words) != 1 or not words[0]:
        raise BadInstruction(f"'{rest}' is not one word")
    return words[0]


def _workdir(config: ImageConfig, rest: str, scope: Scope) -> ImageConfig:
    path = posixpath.join(config.working_dir or "/", scope.word(rest, config))
    return replace(config, working_dir=posixpath.normpath(path).replace("//", "/"))


def _shell(config: ImageConfig, rest: str, _: Scope) -> ImageConfig:
    words = json_words(rest)
    if not words:
        raise BadInstruction(f"'{rest}' is no JSON array", hint='SHELL ["/bin/bash", "-c"]')
    return replace(config, extra={**config.extra, "Shell": list(words)})


def _onbuild(config: ImageConfig, rest: str, _: Scope) -> ImageConfig:
    """Kept as Docker keeps it, for whoever builds on the image."""
    name = rest.partition(" ")[0].upper()
    if name in ("ONBUILD", "FROM", "MAINTAINER"):
        raise BadInstruction(f"{name} cannot stand there")
    kept = config.extra.get("OnBuild")
    triggers = [*(kept if isinstance(kept, list) else []), rest]
    return replace(config, extra={**config.extra, "OnBuild": triggers})


def _healthcheck(config: ImageConfig, rest: str, _: Scope) -> ImageConfig:
    from lxgit.objects.healthcheck import healthcheck_of

    return replace(config, extra={**config.extra, "Healthcheck": healthcheck_of(rest)})


_CHANGES: dict[str, Callable[[ImageConfig, str, Scope], ImageConfig]] = {
    "CMD": _cmd,
    "ENTRYPOINT": _entrypoint,
    "ENV": _env,
    "EXPOSE": _expose,
    "HEALTHCHECK": _healthcheck,
    "LABEL": _label,
    "ONBUILD": _onbuild,
    "SHELL": _shell,
    "STOPSIGNAL": _stop_signal,
    "USER": _user,
    "VOLUME": _volume,
    "WORKDIR": _workdir,
}
