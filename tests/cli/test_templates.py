"""Go templates: what Docker's users write, beside what Go writes for it."""

from __future__ import annotations

import contextlib
import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lxgit.cli.output import Output
from lxgit.cli.templatelex import InvalidTemplate
from lxgit.cli.templates import Template, write_templated

DATA = {
    "Names": "web",
    "ID": "4637bc634170",
    "State": {"Running": True, "Pid": 12, "Health": None},
    "Config": {"Env": ["A=b", "C=d"], "Labels": {"x.y": "1", "a": "2"}, "Cmd": []},
    "Mounts": [{"Source": "/a", "RW": True}, {"Source": "/b", "RW": False}],
    "Size": 1.5,
    "Label": lambda name: f"<{name}>",
}


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("", ""),
        ("plain", "plain"),
        ("{{.Names}}", "web"),
        (r"{{.Names}}\t{{.ID}}\n", "web\t4637bc634170\n"),
        ("{{ .State.Pid }}/{{.State.Running}}", "12/true"),
        ("{{.State.Health}}", "<no value>"),
        ("{{json .State}}", '{"Running":true,"Pid":12,"Health":null}'),
        ("{{json .Names}} {{.Config.Env | json}}", '"web" ["A=b","C=d"]'),
        ("{{.Config.Env}} {{.Config.Labels}} {{.Config.Cmd}}", "[A=b C=d] map[a:2 x.y:1] []"),
        ("{{index .Config.Env 0}}", "A=b"),
        ('{{index .Config.Labels "x.y"}}', "1"),
        ('{{index .Config.Labels "none"}}.', "."),
        ("{{(index .Mounts 1).Source}}", "/b"),
        ("{{len .Mounts}} {{len .Names}} {{.Names | len}}", "2 3 3"),
        ("{{range .Mounts}}{{.Source}} {{end}}", "/a /b "),
        ("{{range .Mounts}}{{$.Names}}:{{.Source}};{{end}}", "web:/a;web:/b;"),
        ("{{range $i, $m := .Mounts}}{{$i}}={{$m.Source}} {{end}}", "0=/a 1=/b "),
        ("{{range $k, $v := .Config.Labels}}{{$k}}={{$v}} {{end}}", "a=2 x.y=1 "),
        ("{{.Config.Labels.a}} {{.Config.Labels.b}} {{.Config.Labels.b.c}}",
         "2 <no value> <no value>"),
        ("{{with .Config.Labels}}{{.b}}{{if .b}}x{{end}}{{end}}", "<no value>"),
        ("{{json .Config.Labels}}", '{"x.y":"1","a":"2"}'),
        ("{{range .Config.Cmd}}x{{else}}none{{end}}", "none"),
        ("{{range .Mounts}}{{if .RW}}{{continue}}{{end}}{{.Source}}{{break}}{{end}}", "/b"),
        ("{{if .State.Running}}up{{else}}down{{end}}", "up"),
        ("{{if .State.Health}}a{{else if .Config.Cmd}}b{{else}}c{{end}}", "c"),
        ('{{if and .State.Running (eq .Names "web")}}yes{{end}}', "yes"),
        ("{{if or .Config.Cmd .Names}}yes{{end}}", "yes"),
        ("{{if not .Config.Cmd}}empty{{end}}", "empty"),
        ("{{with .State}}{{.Pid}}{{end}}", "12"),
        ("{{with .Config.Cmd}}x{{else}}none {{.Names}}{{end}}", "none web"),
        ("{{with $x := .ID}}{{$x}}{{.}}{{end}}", "4637bc6341704637bc634170"),
        ('{{$x := "a"}}{{if true}}{{$x = "b"}}{{end}}{{$x}}', "b"),
        ("{{$x := 1}}{{if true}}{{$x := 2}}{{$x}}{{end}}{{$x}}", "21"),
        ("a  {{- 1 -}}  b", "a1b"),
        ("a {{/* {{ a comment */}} b{{- /* and */ -}} c", "a  bc"),
        ('{{"a\\tb"}}{{`c\\t`}}{{"}}"}}', "a\tbc\\t}}"),
        ("{{-3}}", "-3"),
        ('{{join .Config.Env ", "}}', "A=b, C=d"),
        ("{{upper .Names}} {{lower .Names}} {{title .Names}}", "WEB web Web"),
        ('{{json (split "a,b" ",")}}', '["a","b"]'),
        ("{{truncate .ID 4}} {{slice .ID 1 3}}", "4637 63"),
        ("[{{pad .Names 1 2}}]", "[ web  ]"),
        ('{{print 1 2 "a" "b" 3}}', "1 2ab3"),
        ("{{println .Names 1}}", "web 1\n"),
        ('{{printf "%-5s|%5d|%03d|%q|%v|%t%%" .Names 7 7 .Names .Config.Env true}}',
         'web  |    7|007|"web"|[A=b C=d]|true%'),
        ('{{printf "%.2f %x" .Size 255}}', "1.50 ff"),
        ("{{.Size}} {{lt 1 2}} {{ge 1 2}} {{ne 1 2}} {{eq 1 2 1}}", "1.5 true false true true"),
        ('{{.Label "x"}} {{"y" | .Label}}', "<x> <y>"),
        ("{{(json .Config.Labels)}}", '{"x.y":"1","a":"2"}'),
    ],
)  # fmt: skip
def test_what_go_writes(template: str, text: str) -> None:
    assert Template(template).render(DATA) == text


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{{", "column 3: an action is not closed by '}}'"),
        ("{{.Names", "column 9: an action is not closed by '}}'"),
        ('{{"a}}', "column 3: a string has no end"),
        ("{{}}", "column 3: a value is expected here"),
        ("{{#}}", "column 3: '#' has no meaning there"),
        ("{{.Nmaes}}", "column 3: there is no '.Nmaes'"),
        ("{{.Names.More}}", "column 9: there is no '.More' in web"),
        ("{{none}}", "column 3: there is no function 'none'"),
        ("{{$x}}", "column 3: there is no variable '$x'"),
        ("{{if .Names}}", "column 14: '{{end}}' is missing"),
        ("{{end}}", "column 3: 'end' ends nothing"),
        ("{{if true}}{{else}}{{else}}{{end}}", "column 22: '{{end}}' is missing"),
        ("{{break}}", "column 3: 'break' is in no 'range'"),
        ("{{range $i, dot := .Mounts}}{{end}}", "column 13: a variable is expected here"),
        ("{{range .Names}}{{end}}", "column 9: 'range' takes a list or a map, and this is web"),
        ("{{(.Names}}", "column 3: '(' is not closed"),
        ("{{index .Config.Env 5}}", "column 3: index: there is no item 5: it has 2"),
        ("{{len 5}}", "column 3: 'len' cannot be given 5"),
        ("{{upper}}", "column 3: 'upper' cannot be given nothing"),
        ('{{printf "%d"}}', "column 3: printf: '%d' has no value"),
        ('{{printf "%2000d" 5}}', "column 3: printf: '%2000d' is too wide"),
        ('{{printf "x" 5}}', "column 3: printf: there are more values than verbs"),
        ('{{.Names "x"}}', "column 3: '.Names' takes no arguments"),
        ('{{define "x"}}{{end}}', "column 3: 'define' is not known here"),
        ('{{"\\z"}}', 'column 3: "\\z" has an escape that is not known'),
        ("{{.Names}} {{)}}", "column 14: a value is expected here"),
        ("{{.Names)}}", "column 9: ')' is not expected here"),
        ("{{" + "(" * 60, "column 63: an action is not closed by '}}'"),
        ("x" * 70000, "column 65537: a template has 65536 characters at most"),
        ("{{" + "9" * 5000 + "}}", "column 3: '9' has no meaning there"),
    ],
)  # fmt: skip
def test_faults_say_where(template: str, message: str) -> None:
    with pytest.raises(InvalidTemplate) as caught:
        Template(template).render(DATA)
    assert caught.value.message == f"--format, {message}"


def test_a_hint_lists_what_there_is() -> None:
    for template, hint in (("{{.State.Pit}}", "there are Running, Pid, Health"), ("{{.No}}", None)):
        with pytest.raises(InvalidTemplate) as caught:
            Template(template).render(DATA if hint else {})
        assert caught.value.hint == hint


@pytest.mark.parametrize(
    "template",
    [
        "{{if true}}" * 5000,
        "{{if true}}" + "{{else if true}}" * 4000,
        "{{" + "(" * 5000 + "}}",
        "{{" + "(" * 600 + "1" + ")" * 600 + "}}",
        "{{.Names" + ".Names" * 5000 + "}}",
        "{{.Names" + "|upper" * 5000 + "}}",
    ],
    ids=["if", "else if", "(", "()", "fields", "pipes"],
)
def test_what_is_nested_too_deep_is_a_fault(template: str) -> None:
    with pytest.raises(InvalidTemplate) as caught:
        Template(template).render(DATA)
    assert caught.value.message == "--format: the template is nested too deep"


PIECES = """
{{ }} {{- -}} . $ $x := = | ( ) , .Names .Mounts .State "a" `b` 1 -2.5 if else end range with
break continue json index len printf "%d" eq and or true nil text /* */ .Label \\t
dot nodes self
"""
WHOLE = """
{{ range $i , $x := .Mounts }} {{ if $x }} {{ printf "%d" ( len $i ) | json }} {{ end }} {{ end }}
"""


@given(
    pieces=st.lists(st.one_of(st.sampled_from(PIECES.split()), st.just(" "), st.text(max_size=2)))
)
def test_any_template_is_text_or_a_fault(pieces: list[str]) -> None:
    with contextlib.suppress(InvalidTemplate):
        assert isinstance(Template("".join(pieces)).render(DATA), str)


def test_any_word_in_the_place_of_another_gives_text_or_a_fault() -> None:
    whole = WHOLE.split()
    for at in range(len(whole)):
        for piece in PIECES.split():
            words = [*whole[:at], piece, *whole[at + 1 :]]
            with contextlib.suppress(InvalidTemplate):
                assert isinstance(Template(" ".join(words)).render(DATA), str)


def test_the_words_of_strangers_move_no_cursor() -> None:
    data = {"Name": "a\x1b[2J\udcff"}
    assert Template("{{.Name}}\x1b[0m").render(data) == "a\\x1b[2J\\xff\x1b[0m"


@pytest.mark.parametrize("words", ["a\xa0b\x7f\x85\u2028", "\U000e0001", "\udcff\x1b", "ä€😀"])
def test_json_is_json_whatever_is_in_it(words: str) -> None:
    text = Template("{{json .}}").render({"Labels": {words: words}})
    assert text.isprintable()
    assert json.loads(text) == {"Labels": {words: words}}
    assert text.count("ä€😀") == 2 * words.count("ä€😀")


FORGED = {
    "Name": "x\nlxgit:\tall is well",
    "Labels": {"a\nb": "\t"},
    "Env": ["A=\n", "B=\t"],
    "Pair": ["c=d", "e=f"],
    "Label": lambda name: f"{name}\n",
}


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{{.Name}}\n", "x\\nlxgit:\\tall is well\n"),
        ("{{.Labels}} {{.Env}}", "map[a\\nb:\\t] [A=\\n B=\\t]"),
        ("{{range $k, $v := .Labels}}{{$k}}={{$v}}\n{{end}}", "a\\nb=\\t\n"),
        ('{{.Label "a"}}', "a\\n"),
        ("{{upper .Name}}", "X\\nLXGIT:\\tALL IS WELL"),
        ('{{"a\\n"}}{{$x := "\\t"}}{{$x}}{{`\n`}}', "a\n\t\n"),
        ("{{println .Name}}", "x\\nlxgit:\\tall is well\n"),
        ('{{print .Name "\\n"}}', "x\\nlxgit:\\tall is well\n"),
        ('{{join .Env "\\n"}}', "A=\\n\nB=\\t"),
        ('{{printf "%s\\t%.3s|%q\\n" .Name .Name .Name}}',
         'x\\nlxgit:\\tall is well\tx\\nl|"x\\nlxgit:\\tall is well"\n'),
        ("{{printf .Name}}", "x\\nlxgit:\\tall is well"),
        ('{{json .Name}} {{json (join .Env ",")}}', '"x\\nlxgit:\\tall is well" "A=\\n,B=\\t"'),
        ('{{len (join .Env "\\n")}} {{eq (print .Name) .Name}}', "7 true"),
        ('{{upper "a\\n"}}{{lower "B\\t"}}{{title "c\\nd"}}', "A\nb\tC\nD"),
        ('[{{pad "a\\n" 1 1}}{{truncate "b\\nc" 2}}{{slice "d\\ne" 1 2}}]', "[ a\n b\n\n]"),
        ('{{range split "a\\n,b" ","}}{{.}}{{end}}', "a\nb"),
        ('{{join .Pair "\\n" | upper}} {{join .Env "\\n" | upper}}', "C=D\nE=F A=\\n\\nB=\\t"),
        ('{{pad .Name 0 0}}{{truncate .Name 2}}{{slice .Name 1 2}}{{title "\\n"}}',
         "x\\nlxgit:\\tall is wellx\\n\\n\n"),
        ('{{index (split .Name "\\n") 1}}', "lxgit:\\tall is well"),
    ],
)  # fmt: skip
def test_a_stranger_begins_no_line(template: str, text: str) -> None:
    assert Template(template).render(FORGED) == text


def written(template: str, head: dict[str, str] | None) -> str:
    reader, writer = os.pipe()
    out = Output(writer)
    rows = [{"ID": "1", "Names": "web"}, {"ID": "2", "Names": "a-name-that-is-rather-long"}]
    write_templated(out, template, rows, head)
    out.flush()
    os.close(writer)
    with open(reader, encoding="utf-8") as file:
        return file.read()


def test_a_line_for_each_row_or_a_table() -> None:
    head = {"ID": "CONTAINER ID", "Names": "NAMES"}
    assert written("{{.ID}}", head) == "1\n2\n"
    assert written(r"table {{upper .Names}}\t{{.ID}}", head).splitlines() == [
        "NAMES                        CONTAINER ID",
        "WEB                          1",
        "A-NAME-THAT-IS-RATHER-LONG   2",
    ]
    assert written("table {{.ID}}", None) == "table 1\ntable 2\n"
    with pytest.raises(InvalidTemplate):
        written("table {{.Nmae}}", head)
