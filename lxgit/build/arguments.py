"""ARG: the arguments of a build, and what each stands for where.

An ARG before the first FROM is known in every FROM, and in a stage that names it again. One in a
stage is known from there to the stage's end. `--build-arg` gives it another value than its own.
Proxies are known to RUN without any ARG. Source: Dockerfile reference, "ARG".
"""

from __future__ import annotations

import re

from lxgit.build.dockerfile import Dockerfile, Step, at
from lxgit.objects.dockerlines import BadInstruction
from lxgit.objects.words import Room, expand, split_words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

PROXIES = frozenset(
    name
    for word in ("HTTP", "HTTPS", "FTP", "NO", "ALL")
    for name in (f"{word}_PROXY", f"{word.lower()}_proxy")
)
"""What RUN is told of if it is given, whether the Dockerfile names it or not; no cache asks."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def of_platform(architecture: str) -> dict[str, str]:
    """The arguments that are there by themselves, for this machine: linux/amd64."""
    values = {"PLATFORM": f"linux/{architecture}", "OS": "linux", "ARCH": architecture}
    values["VARIANT"] = ""
    return {kind + name: value for kind in ("TARGET", "BUILD") for name, value in values.items()}


def before_stages(
    dockerfile: Dockerfile, given: Mapping[str, str], architecture: str, room: Room
) -> dict[str, str]:
    """What is known in every FROM; `room` is for the arguments of a whole build. BadDockerfile."""
    known = of_platform(architecture)
    for step in dockerfile.arguments:
        with at(step):
            known.update(declared(step, known, given, {}, dockerfile.escape, room))
    return known


def declared(
    step: Step,
    variables: Mapping[str, str],
    given: Mapping[str, str],
    outer: Mapping[str, str],
    escape: str,
    room: Room,
) -> Iterator[tuple[str, str]]:
    """What an ARG makes known: those of its names that have a value. BadInstruction, BadWord.

    `variables` stand in its defaults, `given` is `--build-arg`, `outer` what is known before FROM.
    """
    for name, default in _names(step, escape):
        if name in given:
            yield name, given[name]
        elif default is not None:
            yield name, room.take(expand(default, variables, escape))
        elif name in outer:
            yield name, outer[name]


def unused(dockerfile: Dockerfile, given: Iterable[str]) -> list[str]:
    """Which of the names that were given no ARG has. BadDockerfile."""
    steps = [*dockerfile.arguments, *(step for stage in dockerfile.stages for step in stage.steps)]
    named = set()
    for step in steps:
        if step.name == "ARG":
            with at(step):
                named |= {name for name, _ in _names(step, dockerfile.escape)}
    return sorted(set(given) - named - PROXIES)


def _names(step: Step, escape: str) -> Iterator[tuple[str, str | None]]:
    """Its names, and what they stand for by default as it is written."""
    for word in split_words(step.rest, escape):
        name, equals, default = word.partition("=")
        if not _NAME.fullmatch(name):
            raise BadInstruction(f"'{name[:80]}' cannot be the name of an argument")
        yield name, default if equals else None
