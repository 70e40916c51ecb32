"""`created_by` of an image's history: which instruction it was, and what that did to the config.

    /bin/sh -c #(nop)  CMD ["bash"]           Docker, an instruction that ran nothing
    /bin/sh -c apt-get update                 Docker, RUN
    |1 A=b /bin/sh -c make                    the same, with build arguments
    RUN |1 A=b /bin/sh -c make # buildkit     BuildKit
    ENV A=b c                                 BuildKit
    /bin/sh -c '#(nop) CMD [bash]'            lxgit, whose comment is the instruction as written

Values stand there as they were printed: without quotes, lists as Go prints them. So what is read
here is a guess, always the same one, by the rules of format.md ("Images of other tools"), on which
the ids of commits hang; what the whole image wants is in its config. Of an image that lxgit has
built it is none.
"""

from __future__ import annotations

import json
import re

from lxgit.errors import LxgitError
from lxgit.objects.dockerlines import Instruction
from lxgit.objects.instructions import apply, checked, shell_of, variables
from lxgit.records import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from lxgit.objects.imageconfig import ImageConfig

_NOP = "/bin/sh -c #(nop)"
_OWN = ("/bin/sh -c '#(nop) ", "/bin/sh -c $'#(nop) ")
_BUILDKIT = " # buildkit"
# A stranger's text may have megabytes: each of these reads it once.
_ARGUMENTS = re.compile(r"\A\|[0-9]+ (?:[^\s=]+=.*? )??(?=/\S+ -)")
_KEYWORD = re.compile(r"[A-Z]{2,12}(?=\s)")
_NEXT_PAIR = re.compile(r"(?<!\s)\s++(?=[A-Za-z_][A-Za-z0-9_./-]*+=)")
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*+("?)')
_KEYS_OF_MAP = re.compile(r"(?<![^\s:{}\[\]])([^\s:{}\[\]]++):\{\}")


def instruction_of(created_by: str, config: ImageConfig) -> str:
    """The line of a Dockerfile that it stands for; `config` is what it found.

    What is none, such as the program of a container that was committed, comes back as it is.
    """
    text = created_by.strip()
    if text.startswith(_NOP):
        return text.removeprefix(_NOP).strip()
    is_buildkit = text.endswith(_BUILDKIT)
    text = text.removesuffix(_BUILDKIT).strip()
    is_run = text.startswith("RUN ")
    command = text.removeprefix("RUN ").strip()
    command = _ARGUMENTS.sub("", command, count=1) if command.startswith("|") else command
    for shell in (" ".join(shell_of(config)), "/bin/sh -c"):
        if command.startswith(f"{shell} "):
            return f"RUN {command.removeprefix(shell).strip()}"
    return f"RUN {command}" if is_run or (is_buildkit and not _KEYWORD.match(text)) else text


def after(config: ImageConfig, created_by: str, comment: str) -> ImageConfig:
    """The config after an entry of a history; as it was where that says nothing of it."""
    if created_by.startswith(_OWN):
        name, _, rest = comment.partition(" ")
        if name.upper() == created_by.partition("'#(nop) ")[2].partition(" ")[0]:
            return _rewritten(config, name.upper(), rest.strip())
    return replayed(config, instruction_of(created_by, config))


def _rewritten(config: ImageConfig, name: str, rest: str) -> ImageConfig:
    """The config after an instruction as it was written."""
    if name == "ENTRYPOINT":
        config = replace(config, cmd=())
    try:
        return apply(config, Instruction(name, rest))
    except LxgitError:
        return config


def replayed(config: ImageConfig, instruction: str) -> ImageConfig:
    """The config after an instruction of `instruction_of`; as it was where that says nothing."""
    match = _KEYWORD.match(instruction)
    change = _CHANGES.get(match[0]) if match is not None else None
    if match is None or change is None:
        return config
    try:
        return checked(change(config, match[0], instruction[match.end() :].strip()))
    except LxgitError:
        return config


def _as_written(config: ImageConfig, name: str, rest: str) -> ImageConfig:
    return apply(config, Instruction(name, rest.replace("\\", "\\\\").replace("$", "\\$")))


def _list(config: ImageConfig, name: str, rest: str) -> ImageConfig:
    """A list of words, which Go prints with quotes and without commas."""
    found = _QUOTED.finditer(rest) if rest.startswith("[") else ()
    words = [match[0] for match in found if match[1]]
    return apply(config, Instruction(name, f"[{', '.join(words)}]" if words else rest))


def _entrypoint(config: ImageConfig, name: str, rest: str) -> ImageConfig:
    return replace(_list(config, name, rest), cmd=())  # it was another program's


def _words(config: ImageConfig, name: str, rest: str) -> ImageConfig:
    """A list that Go prints without quotes, or the keys of a map: `[a b]`, `map[80/tcp:{}]`."""
    words = _KEYS_OF_MAP.findall(rest) if rest.startswith("map[") else rest.strip("[]").split()
    if name == "EXPOSE":
        return apply(config, Instruction(name, " ".join(words)))
    quoted = [word.strip('"') for word in words]
    return apply(config, Instruction(name, json.dumps(quoted, ensure_ascii=False)))


def _env(config: ImageConfig, _: str, rest: str) -> ImageConfig:
    known = variables(config) | _pairs(rest)
    return replace(config, env=tuple(f"{name}={value}" for name, value in known.items()))


def _label(config: ImageConfig, _: str, rest: str) -> ImageConfig:
    return replace(config, labels=tuple(sorted((dict(config.labels) | _pairs(rest)).items())))


def _pairs(rest: str) -> dict[str, str]:
    """`A=b c D=e`: a value goes on up to the next name."""
    pairs = (pair.partition("=") for pair in _NEXT_PAIR.split(rest))
    return {name: value for name, equals, value in pairs if name and equals}


_CHANGES: dict[str, Callable[[ImageConfig, str, str], ImageConfig]] = {
    "CMD": _list,
    "ENTRYPOINT": _entrypoint,
    "ENV": _env,
    "EXPOSE": _words,
    "LABEL": _label,
    "SHELL": _words,
    "STOPSIGNAL": _as_written,
    "USER": _as_written,
    "VOLUME": _words,
    "WORKDIR": _as_written,
}
"""HEALTHCHECK and ONBUILD are printed in ways that nobody can read back."""
