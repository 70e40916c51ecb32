"""Instructions of a Dockerfile, and the JSON of 2013, change the config of an image."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lxgit.objects.config2013 import apply_json
from lxgit.objects.dockerlines import BadInstruction, Heredoc, Instruction, read_instructions
from lxgit.objects.imageconfig import ImageConfig, decode_config, encode_config
from lxgit.objects.instructions import apply_text
from lxgit.objects.words import BadWord, expand, expand_text, split_words

OLD = ImageConfig(
    env=("PATH=/bin", "HOME=/root"),
    cmd=("sh",),
    working_dir="/srv",
    exposed_ports=("80/tcp",),
    labels=(("a", "1"),),
)


@pytest.mark.parametrize(
    ("text", "changed"),
    [
        ('CMD ["echo", "a b"]', {"cmd": ("echo", "a b")}),
        ("CMD echo $HOME", {"cmd": ("/bin/sh", "-c", "echo $HOME")}),
        ("CMD []", {"cmd": ()}),
        ("CMD [echo]", {"cmd": ("/bin/sh", "-c", "[echo]")}),
        ("entrypoint /init", {"entrypoint": ("/bin/sh", "-c", "/init")}),
        ("ENV A=1 B='x y' PATH=$PATH:/opt", {
            "env": ("PATH=/bin:/opt", "HOME=/root", "A=1", "B=x y"),
        }),
        ("ENV A all of ${PATH}", {"env": (*OLD.env, "A=all of /bin")}),
        ("ENV A=", {"env": (*OLD.env, "A=")}),
        (r'ENV A=x\ y\$z B="q\"\\ $HOME"', {"env": (*OLD.env, "A=x y$z", 'B=q"\\ /root')}),
        ("EXPOSE 443 53/udp 8000-8001", {
            "exposed_ports": ("443/tcp", "53/udp", "80/tcp", "8000/tcp", "8001/tcp"),
        }),
        ('LABEL b="two words" a=${NONE:-3}', {"labels": (("a", "3"), ("b", "two words"))}),
        ("USER www:www", {"user": "www:www"}),
        ("USER ${HOME:+me}", {"user": "me"}),
        ("WORKDIR sub/../dir", {"working_dir": "/srv/dir"}),
        ("WORKDIR //etc", {"working_dir": "/etc"}),
        ('VOLUME ["/data", "/my log"]', {"volumes": ("/data", "/my log")}),
        ("VOLUME /b /a", {"volumes": ("/a", "/b")}),
        ("STOPSIGNAL SIGRTMIN+3", {"stop_signal": "SIGRTMIN+3"}),
        ("STOPSIGNAL RTMAX-1", {"stop_signal": "RTMAX-1"}),
        ("STOPSIGNAL usr1", {"stop_signal": "usr1"}),
        ("STOPSIGNAL 15", {"stop_signal": "15"}),
        ("HEALTHCHECK NONE", {"extra": {"Healthcheck": {"Test": ["NONE"]}}}),
        ("HEALTHCHECK --interval=1m30s --retries=2 CMD curl -f x || exit 1", {
            "extra": {
                "Healthcheck": {
                    "Interval": 90 * 10**9,
                    "Retries": 2,
                    "Test": ["CMD-SHELL", "curl -f x || exit 1"],
                }
            },
        }),
        ('HEALTHCHECK --timeout=0.5s CMD ["true"]', {
            "extra": {"Healthcheck": {"Timeout": 5 * 10**8, "Test": ["CMD", "true"]}},
        }),
        ("ONBUILD RUN make", {"extra": {"OnBuild": ["RUN make"]}}),
        ('SHELL ["/bin/bash", "-c"]\nCMD a b', {
            "cmd": ("/bin/bash", "-c", "a b"),
            "extra": {"Shell": ["/bin/bash", "-c"]},
        }),
        ("ENV A=${HOME-x}${NO-y}${HOME+z} B=${NO:+x}${HOME:?no}", {
            "env": (*OLD.env, "A=/rootyz", "B=/root"),
        }),
        ("# nothing\n\nUSER \\\n  www\r\nCMD x", {"user": "www", "cmd": ("/bin/sh", "-c", "x")}),
    ],
)  # fmt: skip
def test_what_an_instruction_changes(text: str, changed: dict[str, object]) -> None:
    made = apply_text(OLD, text)
    expected = {name: getattr(OLD, name) for name in OLD.__slots__} | changed
    assert {name: getattr(made, name) for name in OLD.__slots__} == expected
    assert decode_config(encode_config(made)) == made


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("RUN make", "line 1, RUN: there is no such instruction"),
        ("USER a\nCMD", "line 2, CMD: what to set is missing"),
        ("USER a b", "line 1, USER: 'a b' is not one word"),
        ("\n\nEXPOSE http", "line 3, EXPOSE: 'http' is no port"),
        ("EXPOSE 0", "line 1, EXPOSE: '0' is no port"),
        ("EXPOSE 65536", "line 1, EXPOSE: '65536' is no port"),
        ("EXPOSE 9-8", "line 1, EXPOSE: '9-8' is no port"),
        (
            "EXPOSE 1-65535",
            "line 1, EXPOSE: the image cannot keep that: config.json is larger than 1 MiB",
        ),
        ("ENV A", "line 1, ENV: 'A' has no value"),
        ("ENV A=1 B", "line 1, ENV: 'B' is no NAME=VALUE"),
        ("ENV a*=1", "line 1, ENV: 'a*' cannot be the name of a variable"),
        ("ENV A='x", "line 1, ENV: a quote (') has no end"),
        ("ENV A=${x", "line 1, ENV: a '}' is missing"),
        ("ENV A=${x:=y}", "line 1, ENV: ':=' is not understood"),
        ("VOLUME []", "line 1, VOLUME: a volume needs a path"),
        ("STOPSIGNAL quick!", "line 1, STOPSIGNAL: 'quick!' is no signal"),
        ("STOPSIGNAL SIGFOO", "line 1, STOPSIGNAL: 'SIGFOO' is no signal"),
        ("STOPSIGNAL SIGRTMIN-1", "line 1, STOPSIGNAL: 'SIGRTMIN-1' is no signal"),
        ('VOLUME ["/a", 5]', "line 1, VOLUME: a JSON array has strings here"),
        ("HEALTHCHECK CMD", "line 1, HEALTHCHECK: 'CMD' is no check"),
        ("HEALTHCHECK --retries=1 NONE", "line 1, HEALTHCHECK: 'NONE' is no check"),
        ("HEALTHCHECK --interval=5 CMD x", "line 1, HEALTHCHECK: '5' is no duration"),
        ("HEALTHCHECK --color=red CMD x", "line 1, HEALTHCHECK: '--color=red' is not understood"),
        ("HEALTHCHECK --timeout=9us CMD x", "line 1, HEALTHCHECK: '9us' cannot be less than 1ms"),
        ("ONBUILD onbuild RUN x", "line 1, ONBUILD: ONBUILD cannot stand there"),
        ("CMD a\x1b[2J", "line 1 has the character '\\x1b'"),
        ("USER a\nCMD \0", "line 2 has the character '\\x00'"),
        ('CMD ["\\u0000"]', "line 1, CMD: there is a NUL"),
        (
            "ENV A=" + "x" * 1000 + "\nENV A=$A$A$A$A$A$A$A$A$A$A" * 4,
            "line 5, ENV: its variables make it longer",
        ),
        ("SHELL sh -c", "line 1, SHELL: 'sh -c' is no JSON array"),
        ("USER ${A:?who}", "line 1, USER: 'A' is not set"),
        ("USER " + "${A:-" * 40 + "}" * 40, "line 1, USER: more than 32 variables"),
        ('CMD ["\\ud800"]', "line 1, CMD: a JSON array has half a letter"),
    ],
)
def test_what_is_refused_by_line(text: str, words: str) -> None:
    with pytest.raises(BadInstruction) as caught:
        apply_text(OLD, text)
    assert caught.value.message.startswith(words)


def test_lines_have_numbers() -> None:
    text = "USER a\n\n# no\nCMD \\\nb \\\n c\nENV d=e \\"
    assert list(read_instructions(text)) == [
        (1, Instruction("USER", "a")),
        (4, Instruction("CMD", "b  c")),
        (7, Instruction("ENV", "d=e")),
    ]


def test_here_documents() -> None:
    text = "RUN <<A cat <<-'B' '<<C' d<<E\n1\nA\n\t2 \\\n\tB\nCMD <<F\n"
    assert list(read_instructions(text, with_heredocs=("RUN",))) == [
        (
            1,
            Instruction(
                "RUN",
                "<<A cat <<-'B' '<<C' d<<E",
                (
                    Heredoc("A", "1\n", True, "<<A", "A"),
                    Heredoc("B", "2 \\\n", False, "<<-'B'", "\tB"),
                ),
            ),
        ),
        (6, Instruction("CMD", "<<F")),
    ]


def test_a_here_document_has_an_end() -> None:
    with pytest.raises(BadInstruction) as caught:
        list(read_instructions("USER a\nRUN <<EOF\nEOF ", with_heredocs=("RUN",)))
    assert caught.value.message == "line 2: the here-document 'EOF' has no end"


def test_another_escape_character() -> None:
    text = "USER a`\n\n  # no\n b\nCMD C:\\\nCMD x``"
    assert [one.rest for _, one in read_instructions(text, escape="`")] == ["a b", "C:\\", "x``"]
    assert split_words("a` b c\\", "`") == ["a` b", "c\\"]
    assert expand("a` b`$c\\", {}, "`") == "a b$c\\"


def test_a_here_document_has_quotes_as_they_are() -> None:
    text = """it's "$a" \\$b \\n '${a:-'x'}'"""
    assert expand_text(text, {"a": "1"}) == """it's "1" $b \\n '1'"""


@pytest.mark.parametrize(
    ("word", "text"),
    [
        ("${a#*o}", "obar"),
        ("${a##*o}", "bar"),
        ("${a%o*}", "fo"),
        ("${a%%o*}", "f"),
        ("${p##*/}.${p%/*}", "c.a/b"),
        ("${a/o/0}${a//o/0}", "f0obarf00bar"),
        ("${a/f*b/-}", "-ar"),
        (r"${p//\//_}", "a_b_c"),
        ("${p/'/'/_}", "a_b/c"),
        ('${a/"$f"/$p}', "a/b/cbar"),
        (r"${s/\*/x}${s#a\*}", "axb?b?"),
        ("${none#x}${none/x/y}", ""),
        ("${none:-'}'}${none:-{x}}", "}{x}"),
        (r"${none:-\}}", "}"),
    ],
)
def test_patterns_for_variables(word: str, text: str) -> None:
    assert expand(word, {"a": "foobar", "f": "foo", "p": "a/b/c", "s": "a*b?"}) == text


@pytest.mark.parametrize("word", ["${A/${P}b/x}", "${A//${P}b/x}", "${A#${P}}", "${A%%${P}}"])
def test_a_pattern_has_an_end(word: str) -> None:
    """It is tried at each letter of a text, which has a million."""
    assert expand(word, {"A": "b", "P": "?" * 4000}) == "b"
    with pytest.raises(BadWord, match="a pattern has more than 4,096 letters"):
        expand(word, {"A": "b", "P": "?" * 5000})


@pytest.mark.parametrize("word", ["${a/b}", "${a//b}", "${a^}", "${a:0:1}", "${a/b/'}"])
def test_what_no_variable_can_be(word: str) -> None:
    with pytest.raises(BadWord):
        expand(word, {"a": "b"})


@given(st.text("aB ='\"\\$${}:-+#%/*\t1", max_size=12))
def test_any_words_are_read_or_refused(text: str) -> None:
    try:
        words = [expand(word, {"a": "x"}) for word in split_words(text)]
    except BadWord:
        return
    assert len(words) <= len(text)


@given(st.text(max_size=20))
def test_quoted_text_comes_back(text: str) -> None:
    quoted = "'" + text.replace("'", "'\"'\"'") + "'"
    assert split_words(quoted) == [quoted]
    assert expand(quoted, {}) == text


def test_the_json_of_2013() -> None:
    given_ = {
        "Cmd": ["cat", "/world"],
        "PortSpecs": ["22", "8080:443", "53/udp"],
        "Env": None,
        "User": "www",
        "Memory": 1 << 20,
        "CpuShares": 0,
        "Tty": False,
    }
    made, ignored = apply_json(OLD, json.dumps(given_))
    assert made.cmd == ("cat", "/world")
    assert made.exposed_ports == ("22/tcp", "443/tcp", "53/udp")
    assert (made.env, made.user, made.labels) == ((), "www", OLD.labels)
    assert ignored == ["Memory"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "this is not JSON"),
        ("[]", "this is no JSON object"),
        ('{"cmd": []}', "there is no key 'cmd'"),
        ('{"Cmd": "x"}', "Cmd is not a list of strings"),
        ('{"User": 0}', "User is not a string"),
        ('{"PortSpecs": ["x"]}', "'x' is no port"),
        ('{"PortSpecs": {"22": {}}}', "PortSpecs is not a list"),
        ('{"Volumes": {"/a": 1}}', "Volumes is not an object of empty objects"),
        ('{"Cmd": ["\\u0000"]}', "the image cannot keep that: config.json has a NUL"),
        ("[" * 100_000, "this is not JSON"),
    ],
)
def test_json_that_is_refused(text: str, words: str) -> None:
    with pytest.raises(BadInstruction) as caught:
        apply_json(OLD, text)
    assert caught.value.message.startswith(words)
