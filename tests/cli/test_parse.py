"""Command lines: what `parse` accepts, Typer accepts with the same values."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from lxgit.cli.output import Output
from lxgit.cli.params import Annotated, Command, Literal, argument, command, option, paths
from lxgit.cli.parse import HelpWanted, NotWellFormed, parse
from lxgit.cli.session import Session
from lxgit.cli.usage import explain, help_text, typer_command
from lxgit.errors import UsageError
from lxgit.tuples import NamedTuple
from tests.support.commands import all_commands


@command(examples=(("lxgit everything -n 5 base", "five of them"),))
def everything(
    session: Session,
    name: Annotated[str, argument("NAME", help="a name")],
    more: Annotated[tuple[str, ...], argument("MORE", help="further names")] = (),
    quiet: Annotated[bool, option("-q", "--quiet", help="say little")] = False,
    all_: Annotated[bool, option("-a", "--all", help="all of them")] = False,
    limit: Annotated[int | None, option("-n", "--limit", help="how many", metavar="N")] = None,
    words: Annotated[tuple[str, ...], option("-e", "--word", help="a word")] = (),
    output: Annotated[Literal["table", "json"], option("--format", help="how")] = "table",
    no_trunc: Annotated[bool, option("--no-trunc", help="whole ids")] = False,
    short: Annotated[int | None, option("--short", help="digits", alone="12")] = None,
) -> None:
    """Take all there is."""


@command(options_first=True)
def wrapper(
    session: Session,
    image: Annotated[str | None, argument("IMAGE", help="an image")] = None,
    program: Annotated[tuple[str, ...], argument("COMMAND", help="a program")] = (),
    interactive: Annotated[bool, option("-i", help="stdin")] = False,
    tty: Annotated[bool, option("-t", help="a terminal")] = False,
    name: Annotated[str | None, option("--name", help="a name")] = None,
) -> None:
    """Run another program."""


@command()
def narrowed(
    session: Session,
    revisions: Annotated[tuple[str, ...], argument("REV", help="revisions")] = (),
    limit: Annotated[int | None, option("-n", help="how many")] = None,
    only: Annotated[tuple[str, ...], paths(help="paths")] = (),
) -> None:
    """Take paths."""


class Spread(NamedTuple):
    limit: Annotated[int | None, option("-n", help="how many")] = None
    words: Annotated[tuple[str, ...], option("-e", help="a word")] = ()


class Outer(NamedTuple):
    spread: Spread
    loud: Annotated[bool, option("-l", help="say much")] = False


@command()
def grouped(
    session: Session,
    outer: Outer,
    name: Annotated[str, argument("NAME", help="a name")],
    quiet: Annotated[bool, option("-q", help="say little")] = False,
) -> int:
    """Take options in a group."""
    assert outer == Outer(Spread(5, ("a", "b")), loud=True)
    assert quiet
    return len(name)


COMMANDS = {"everything": everything, "wrapper": wrapper, "narrowed": narrowed}


def by_typer(tested: Command, words: list[str]) -> dict[str, Any]:
    """The values that Typer makes of the words, in the types that `parse` gives."""
    made = typer_command("tested", tested).make_context("lxgit tested", list(words)).params
    multiple = {parameter.name for parameter in tested.parameters if parameter.multiple}
    return {name: tuple(made[name] or ()) if name in multiple else made[name] for name in made}


SPELLINGS = """
-q -a -qa -n -n5 -qn -qn7 -e -ex -e=x --quiet --quiet=yes --limit --limit=3 --limit= --word
--word=a=b --format --format=json --format=yaml json --no-trunc -notrunc - -- 5 -5 base base:v1 -i
-it -itq -x --unknown --name --name=web --help --short --short=4
"""
WORDS = st.one_of(
    st.sampled_from(SPELLINGS.split()),
    st.sampled_from(["", "x y", "\udcff", "é", "\u0663"]),
    st.text("-=aqn5 ", max_size=4),
)


@pytest.mark.parametrize("name", ["everything", "wrapper"])
@given(words=st.lists(WORDS, max_size=6))
def test_what_is_accepted_typer_reads_alike(name: str, words: list[str]) -> None:
    # Typer keeps that `=`, knows no `-5`, and no value that may be left out.
    assume(not any(re.match(r"-([^-].*=|\d+$|-short$)", word) for word in words))
    tested = COMMANDS[name]
    try:
        values = parse(tested, words)
    except (HelpWanted, NotWellFormed, UsageError):
        return
    assert values == by_typer(tested, words)


@pytest.mark.parametrize("name", ["everything", "wrapper"])
@given(words=st.lists(WORDS, max_size=6))
def test_what_is_refused_typer_explains(name: str, words: list[str]) -> None:
    tested = COMMANDS[name]
    try:
        parse(tested, words)
    except NotWellFormed:
        with pytest.raises(UsageError) as caught:
            explain("tested", tested, words)
        assert caught.value.message != "this command line is not understood"
    except (HelpWanted, UsageError):
        pass


@pytest.mark.parametrize(
    ("words", "values"),
    [
        (["run", "-qa"], {"name": "run", "quiet": True, "all_": True}),
        (["run", "a", "-n", "5", "b"], {"name": "run", "more": ("a", "b"), "limit": 5}),
        (["-n5", "run"], {"name": "run", "limit": 5}),
        (["run", "--", "-q"], {"name": "run", "more": ("-q",)}),
        (["run", "--format=json"], {"name": "run", "output": "json"}),
        (["run", "-e", "-q", "-eb"], {"name": "run", "words": ("-q", "b")}),
        (["-"], {"name": "-"}),
        (["run", "--quiet=true", "-a=1"], {"name": "run", "quiet": True, "all_": True}),
        (["run", "-qa=F", "--quiet=False"], {"name": "run", "quiet": False, "all_": False}),
        (["run", "-q=false", "-q"], {"name": "run", "quiet": True}),
        (["-n=5", "run"], {"name": "run", "limit": 5}),
        (["run", "-qn=5"], {"name": "run", "quiet": True, "limit": 5}),
        (["-1", "run", "-15"], {"name": "run", "limit": 15}),
        (["run", "-e", "-5"], {"name": "run", "words": ("-5",)}),
        (["--short", "5"], {"name": "5", "short": 12}),
        (["--short=5", "5"], {"name": "5", "short": 5}),
        (["run", "-e=a=b", "-e=", "-e", "=c"], {"name": "run", "words": ("a=b", "", "=c")}),
    ],
)
def test_values(words: list[str], values: dict[str, object]) -> None:
    defaults = {item.name: item.default for item in everything.parameters}
    assert parse(everything, words) == defaults | values


def test_the_first_argument_ends_the_options_of_a_wrapper() -> None:
    values = parse(wrapper, ["-it", "base", "ls", "-i", "--name", "--help"])
    assert values["program"] == ("ls", "-i", "--name", "--help")
    assert values["interactive"]
    assert values["name"] is None


def test_a_group_of_options_comes_in_one() -> None:
    values = parse(grouped, ["-n5", "-e", "a", "base", "-qle", "b"])
    assert values == {
        "limit": 5,
        "words": ("a", "b"),
        "loud": True,
        "name": "base",
        "quiet": True,
    }
    assert grouped.call(Session(Output(1)), values) == 4


def test_every_command_declares_what_can_be_parsed() -> None:
    """Required arguments first, one that takes the rest at the end."""
    for listed in all_commands():
        ordinary = [
            item
            for item in listed.load().parameters
            if not item.is_option and not item.declaration.after_dashes
        ]
        assert [item.multiple for item in ordinary[:-1]].count(True) == 0, listed.name
        spelled = [name for item in listed.load().parameters for name in item.declaration.names]
        assert len(spelled) == len(set(spelled)), listed.name
        required = [item.required for item in ordinary]
        assert required == sorted(required, reverse=True), listed.name


def test_paths_come_after_dashes() -> None:
    values = parse(narrowed, ["base", "-n", "5", "--", "/etc", "-n", "--"])
    assert values == {"revisions": ("base",), "limit": 5, "only": ("/etc", "-n", "--")}
    assert parse(narrowed, ["base"])["only"] == ()


@pytest.mark.parametrize(
    "words", [["--help"], ["run", "--help"], ["-q", "--help", "--unknown"], ["-nx", "--help"]]
)
def test_help_is_wanted(words: list[str]) -> None:
    with pytest.raises(HelpWanted):
        parse(everything, words)


@pytest.mark.parametrize(
    ("word", "name"),
    [
        ("-notrunc", "--no-trunc"),
        ("-no-trunc", "--no-trunc"),
        ("-all", "--all"),
        ("-help", "--help"),
        ("-notrunc=true", "--no-trunc"),
        ("-limit=5", "--limit"),
    ],
)
def test_single_dash_long_options_name_todays(word: str, name: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(everything, ["base", word])
    assert caught.value.message == f"unknown option '{word.partition('=')[0]}'"
    assert caught.value.hint == f"did you mean '{name}'?"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "missing argument 'NAME'"),
        (["run", "-x"], "no such option: -x"),
        (["run", "--quite"], "no such option: --quite (Possible options: --quiet)"),
        (["run", "--qiet"], "no such option: --qiet (Possible options: --quiet)"),
        (["run", "--no-quiet"], "no such option: --no-quiet"),
        (["run", "--form"], "no such option: --form (Possible options: --format)"),
        (["run", "--l", "5"], "no such option: --l (Possible options: --limit)"),
        (["run", "--no=x"], "no such option: --no (Possible options: --no-trunc)"),
        (["run", "--wor"], "no such option: --wor (Possible options: --word)"),
        (["run", "--worm"], "no such option: --worm (Possible options: --word)"),
        (["run", "--warm"], "no such option: --warm"),
        (["run", "-n"], "option '-n' requires an argument"),
        (["run", "--quiet=yes"], "option '--quiet' takes true or false"),
        (["run", "--quiet=false", "-x"], "no such option: -x"),
        (["run", "-n=5", "-x"], "no such option: -x"),
        (["run", "-5", "-x"], "no such option: -x"),
        (["run", "--short", "-x"], "no such option: -x"),
        (
            ["run", "--format", "x"],
            "invalid value for '--format': 'x' is not one of 'table', 'json'",
        ),
    ],
)
def test_faults_in_words(words: list[str], message: str) -> None:
    with pytest.raises(NotWellFormed):
        parse(everything, words)
    with pytest.raises(UsageError) as caught:
        explain("everything", everything, words)
    assert caught.value.message == message
    assert caught.value.hint == "lxgit everything --help"


@pytest.mark.parametrize("name", ["run", "create", "container run"])
@pytest.mark.parametrize(
    ("option", "word"),
    [
        ("--pid=host", "lxgit exec"),
        ("--pid=container:web", "lxgit top"),
        ("--ipc=shareable", "--shm-size"),
        ("--uts=host", "--hostname"),
        ("--cgroupns=private", "its own control group"),
    ],
)
def test_an_option_of_dockers_says_what_there_is(name: str, option: str, word: str) -> None:
    with pytest.raises(UsageError, match="no such option") as caught:
        explain(name, everything, [option, "base"])
    assert word in str(caught.value.hint)


@pytest.mark.parametrize("text", ["x", "", "5 ", "5.0", "1_0", "\u0663"])
def test_what_is_no_number(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(everything, ["run", "-n", text])
    assert caught.value.message == f"invalid value for '-n': '{text}' is not a whole number"


def test_a_number_beyond_all_measure() -> None:
    with pytest.raises(UsageError, match="'9999999999999999999' has too many digits"):
        parse(everything, ["run", "-n", "9" * 19])


def test_help_has_the_description_the_examples_and_every_parameter() -> None:
    lines = [line.strip() for line in help_text("everything", everything).splitlines()]
    assert lines[0].startswith("Usage: lxgit everything [OPTIONS]")
    assert lines[2:6] == ["Take all there is.", "", "Examples:", *EXAMPLE]
    told = " ".join(lines)
    for parameter in everything.parameters:
        assert parameter.declaration.help in told
        assert all(name in told for name in parameter.declaration.names)


EXAMPLE = ["lxgit everything -n 5 base  # five of them"]
