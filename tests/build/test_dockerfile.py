"""Dockerfiles are read: stages, steps, flags, here-documents; what is wrong is said by line."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lxgit.build.arguments import before_stages, unused
from lxgit.build.dockerfile import BadDockerfile, Dockerfile, parse, parse_later
from lxgit.errors import LxgitError
from lxgit.objects.dockerlines import BadInstruction, Instruction
from lxgit.objects.imageconfig import ImageConfig
from lxgit.objects.instructions import apply
from lxgit.objects.words import Room

WHOLE = """\
# syntax=docker/dockerfile:1
# escape=`

ARG VERSION=1 NAME
FROM --platform=linux/amd64 base:$VERSION AS Build
# a remark
run --mount=type=cache,target="/a b" --network=none make `
  # another

  install
COPY --from=build --chown=1:2 ["a b", "/c"]
RUN <<EOF cat
# no remark
EOF
FROM scratch
copy . /
CMD ["x"]
"""


def read(text: str) -> Dockerfile:
    return parse(text.encode())


def test_a_whole_file() -> None:
    found = read(WHOLE)
    assert found.escape == "`"
    assert not found.warnings
    assert [step.text for step in found.arguments] == ["ARG VERSION=1 NAME"]
    build, last = found.stages
    assert (build.name, build.base, build.platform) == ("build", "base:$VERSION", "linux/amd64")
    assert (last.name, last.base, last.platform) == ("", "scratch", "")
    run, copy, cat = build.steps
    assert (run.line, run.name, run.rest) == (7, "RUN", "make   install")
    assert run.flags == (("mount", 'type=cache,target="/a b"'), ("network", "none"))
    assert run.text == 'RUN --mount=type=cache,target="/a b" --network=none make install'
    assert (copy.flag("from"), copy.flag("chown"), copy.flag("chmod")) == ("build", "1:2", "")
    assert [document.content for document in cat.heredocs] == ["# no remark\n"]
    assert [(step.line, step.text) for step in last.steps] == [
        (16, "COPY . /"),
        (17, 'CMD ["x"]'),
    ]


@pytest.mark.parametrize(
    ("text", "words", "hint"),
    [
        ("", "the Dockerfile has no FROM", "first line"),
        ("# FROM base", "the Dockerfile has no FROM", "first line"),
        ("RUN true", "line 1, RUN: FROM comes first", "scratch"),
        ("FROM", "line 1, FROM: its arguments are missing", ""),
        ("FROM a b", "line 1, FROM: 'a b' is not understood", "FROM IMAGE [AS NAME]"),
        ("FROM a AS", "line 1, FROM: 'a AS' is not understood", "FROM IMAGE [AS NAME]"),
        ("FROM a AS 1x", "line 1, FROM: '1x' cannot name a stage", "such as build"),
        ('FROM a\nCOPY ["a", 1]', "line 2, COPY: a JSON array has strings", ""),
        ('FROM a\nCOPY ["a\\u0000b", "/x"]', "line 2, COPY: there is a NUL", ""),
        ('FROM a\nADD ["a\\ud800", "/x"]', "line 2, ADD: a JSON array has half a letter", ""),
        ("FROM a\n\nRUM x", "line 3, RUM: there is no such instruction", "did you mean RUN?"),
        ("FROM a\nRUN", "line 2, RUN: its arguments are missing", ""),
        ("FROM a\nRUN --network=none", "line 2, RUN: its arguments are missing", ""),
        ("FROM a\nRUN --net=none x", "line 2, RUN: '--net=none' is not", "--mount --network"),
        ("FROM a\nCOPY --Chown=1 a b", "line 2, COPY: '--Chown=1' is not", "--from --chown"),
        ("FROM a\nCOPY a", "line 2, COPY: it needs a source", "COPY SOURCE"),
        ("FROM a\nCOPY 'a b", "line 2, COPY: a quote (') has no end", ""),
        ("FROM a\nONBUILD FROM x", "line 2, ONBUILD: FROM cannot stand there", ""),
        ("FROM a\nONBUILD ONBUILD RUN x", "line 2, ONBUILD: ONBUILD cannot stand there", ""),
        ("FROM a\nONBUILD RUM x", "line 2, ONBUILD: there is no such instruction", "RUN"),
        ("FROM a\nRUN cat <<E\n", "line 2: the here-document 'E' has no end", "ends it"),
        ("FROM a\nRUN echo \x1b[2J", "line 2 has the character '\\x1b'", "only text"),
        ("# escape=x\nFROM a", "the escape character cannot be 'x'", ""),
        ("# escape=`\n# escape=`\nFROM a", "line 2: there are two 'escape' directives", ""),
        ("#" * (1 << 20) + "\n", "the Dockerfile is larger than 1 MiB", ""),
    ],
)
def test_what_is_refused_by_line(text: str, words: str, hint: str) -> None:
    with pytest.raises(BadDockerfile) as caught:
        read(text)
    assert caught.value.message.startswith(words)
    assert hint in (caught.value.hint or "")


def test_another_language_is_warned_of() -> None:
    (warning,) = read("# syntax=example.org/other\nFROM a").warnings
    assert "'example.org/other' is not known" in warning


def test_a_remark_ends_the_directives() -> None:
    assert read("# hello\n# escape=`\nFROM a").escape == "\\"


def test_switches() -> None:
    for text, wanted in (("", False), ("--link", True), ("--link=false", False)):
        (step,) = read(f"FROM a\nCOPY {text} a b").stages[0].steps
        assert step.switch("link") is wanted
    (step,) = read("FROM a\nCOPY --link=perhaps a b").stages[0].steps
    with pytest.raises(BadInstruction):
        step.switch("link")


@pytest.mark.parametrize("text", ["RUN a\nRUN b", "", "# x", "FROM a", "ONBUILD RUN x", "RUN"])
def test_what_an_image_cannot_put_off(text: str) -> None:
    with pytest.raises(LxgitError):
        parse_later(text)


def test_arguments_before_the_stages() -> None:
    found = read("ARG A=1\nARG B=$A-2 C TARGETARCH\nFROM x$B\nARG D")
    known = before_stages(found, {"A": "3", "D": "4"}, "arm64", Room())
    assert (known["A"], known["B"], known.get("C"), known.get("D")) == ("3", "3-2", None, None)
    assert known["TARGETPLATFORM"] == known["BUILDPLATFORM"] == "linux/arm64"
    assert unused(found, ["A", "D", "E", "http_proxy"]) == ["E"]


@pytest.mark.parametrize("text", ["ARG 1=2", "ARG A-B", "ARG =x", "ARG A='x"])
def test_arguments_that_are_none(text: str) -> None:
    with pytest.raises(BadDockerfile, match="line 1, ARG"):
        before_stages(read(f"{text}\nFROM a"), {}, "amd64", Room())


PIECES = st.sampled_from(
    r"""FROM a|FROM $A AS b|RUN x|COPY --from=b a b|<<EOF|EOF|\|ENV A=${B:-'c'}|ARG A|ONBUILD
    |# escape=`|#|--mount=|["a"]|'|"| |`""".replace("\n    ", " ").split("|")
)


@given(st.lists(PIECES | st.text("\n") | st.text(max_size=5), max_size=25))
def test_nothing_but_words_comes_of_any_text(pieces: list[str]) -> None:
    data = "".join(pieces).encode("utf-8", "replace")
    try:
        found = parse(data)
    except LxgitError:
        return
    lines = data.count(b"\n") + 1
    for step in (step for stage in found.stages for step in stage.steps):
        assert 0 < step.line <= lines
        assert "\n" not in step.text


@pytest.mark.timeout(60)
def test_a_long_file_takes_no_longer_than_its_length() -> None:
    lines = ["FROM a", *["RUN --mount=" + "a b '\" " * 1000 + "'\"' x" for _ in range(100)]]
    assert len(read("\n".join(lines)).stages[0].steps) == 100
    assert len(read("FROM a\n" + "RUN x\n" * 100_000).stages[0].steps) == 100_000
    blanks = " \t" * 200_000
    found = read(f"# syntax = \t a{blanks}b {blanks}\r\nFROM a")
    assert found.warnings[0].startswith("the syntax 'a \t")
    assert read(f"# escape={blanks}`{blanks}\r\nFROM a").escape == "`"


def test_many_flags_take_no_longer_than_their_length() -> None:
    """What follows is not copied for each."""
    begun = time.process_time()
    (run,) = read(f"FROM a\nRUN {'--mount=a ' * 100_000}-- --mount=b 'c").stages[0].steps
    assert run.flags == (("mount", "a"),) * 100_000
    assert run.rest == "--mount=b 'c"
    check = Instruction("HEALTHCHECK", "--retries=1 " * 200_000 + "NONE")
    with pytest.raises(BadInstruction, match="'NONE' is no check"):
        apply(ImageConfig(), check)
    assert time.process_time() - begun < 1
