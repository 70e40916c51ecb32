"""Targets for what a build reads: Dockerfiles, and what a .dockerignore leaves out."""

from __future__ import annotations

import contextlib

from lxgit.build.arguments import before_stages, declared
from lxgit.build.context import MAX_DOCKERFILE
from lxgit.build.dockerfile import COPYING, Step, copied_words, parse
from lxgit.build.ignore import read_ignore
from lxgit.build.runmounts import run_mount
from lxgit.errors import LxgitError
from lxgit.objects.imageconfig import ImageConfig, decode_config, encode_config
from lxgit.objects.instructions import Scope, apply
from lxgit.objects.words import Room, expand

_GIVEN = {"A": "a", "http_proxy": "x"}
_NO_CONFIG = frozenset((*COPYING, "ARG", "FROM", "MAINTAINER", "RUN"))


def dockerfile(data: bytes) -> None:
    """A Dockerfile: each step comes to something that can be kept, or is refused by line."""
    try:
        read = parse(data)
    except LxgitError:
        return
    assert len(data) <= MAX_DOCKERFILE
    with contextlib.suppress(LxgitError):
        known = before_stages(read, _GIVEN, "amd64", Room())
        for stage in read.stages:
            expand(stage.base, known, read.escape)
    for stage in read.stages:
        arguments: dict[str, str] = {}
        config = ImageConfig()
        for step in stage.steps:
            assert 0 < step.line <= data.count(b"\n") + 1
            with contextlib.suppress(LxgitError):
                config = _applied(step, config, Scope(arguments, read.escape))


def _applied(step: Step, config: ImageConfig, scope: Scope) -> ImageConfig:
    known = scope.variables(config)
    if step.name in COPYING:
        assert (
            len([expand(one, known, scope.escape) for one in copied_words(step.rest, scope.escape)])
            > 1
        )
    elif step.name == "ARG":
        assert isinstance(scope.arguments, dict)
        scope.arguments.update(declared(step, known, _GIVEN, {}, scope.escape, Room()))
    elif step.name == "RUN":
        for text in step.all_of("mount"):
            mount = run_mount(scope.word(text, config), "/w")
            assert mount.target.startswith("/") or mount.variable
    elif step.name not in _NO_CONFIG:
        config = apply(config, step.instruction, scope)
        assert decode_config(encode_config(config)) == config
    return config


def ignore(data: bytes) -> None:
    """The first line is a path, what follows are rules: a walk there decides as the whole path."""
    path, _, rules = data.partition(b"\n")
    names = [name for name in path.split(b"/") if name][:50]
    try:
        read = read_ignore(rules, "rules")
    except LxgitError:
        return
    standing = read.top
    lost = False
    for number, name in enumerate(names, start=1):
        standing = read.below(standing, name)
        left_out = read.leaves_out(standing)
        assert left_out == read.matches(b"/".join(names[:number]))
        assert left_out or not lost
        lost = lost or (left_out and not read.may_let_in(standing))


DOCKERFILES = (
    b"FROM a AS b\nARG A=1 B=$A\nENV C=${A:-x} D=${B%%y*}\nCOPY --from=b --chown=1 a b/ c/\n",
    b"# escape=`\nARG X\nFROM $X\nRUN --mount=type=cache,target=/c,mode=700 x `\n # y\n z\n",
    b'FROM a\nRUN <<A cat <<"B"\n$x\nA\ny\nB\nCOPY ["a b", "c"]\nCMD ["x"]\nEXPOSE 1-3/udp\n',
    b"FROM a\nHEALTHCHECK --interval=5s CMD x\nONBUILD ADD x y\nLABEL a=b 'c d'=\"e\"\nUSER a:b\n",
    b'FROM a\nVOLUME /a /b\nWORKDIR a/../b\nSTOPSIGNAL 9\nSHELL ["a"]\nINSERT http://a /b\n',
)
IGNORED = (
    b"a/b/c\n# x\n*\n!a/b\n**/c\n",
    b"a.o\n**.o\n!**/a.o\n/a/\n[^a-b]?\\*\n",
)
