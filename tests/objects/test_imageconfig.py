from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lxgit.objects.imageconfig import (
    ImageConfig,
    InvalidConfig,
    architecture_name,
    decode_config,
    encode_config,
)

texts = st.text(st.characters(exclude_categories=()), max_size=20)
lists = st.lists(texts, max_size=3).map(tuple)
keys = st.sets(texts.filter(bool), max_size=3).map(lambda found: tuple(sorted(found)))
surrogate_free = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)


@given(
    st.builds(
        ImageConfig,
        env=st.lists(surrogate_free, max_size=3).map(tuple),
        cmd=st.lists(surrogate_free, max_size=3).map(tuple),
        working_dir=surrogate_free,
        user=surrogate_free,
        exposed_ports=st.sets(surrogate_free, max_size=3).map(lambda s: tuple(sorted(s))),
        labels=st.dictionaries(surrogate_free, surrogate_free, max_size=3).map(
            lambda found: tuple(sorted(found.items()))
        ),
        os=st.sampled_from(["", "linux"]),
    )
)
def test_configs_come_back(config: ImageConfig) -> None:
    assert decode_config(encode_config(config)) == config


@given(st.binary(max_size=80))
def test_what_is_read_is_the_only_spelling(data: bytes) -> None:
    try:
        config = decode_config(data)
    except InvalidConfig:
        return
    assert encode_config(config) == data


def test_the_spelling() -> None:
    config = ImageConfig(cmd=("/bin/sh",), volumes=("/data",), extra={"OnBuild": ["é"]})
    assert encode_config(config).decode() == (
        "{\n"
        '  "Cmd": [\n    "/bin/sh"\n  ],\n'
        '  "OnBuild": [\n    "é"\n  ],\n'
        '  "Volumes": {\n    "/data": {}\n  },\n'
        '  "os": "linux"\n'
        "}\n"
    )


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]\n",
        b"{}",
        b'{\n  "Cmd": "sh"\n}\n',
        b'{\n  "Cmd": [\n    1\n  ]\n}\n',
        b'{\n  "Env": []\n}\n',
        b'{\n  "Labels": {\n    "a": 1\n  }\n}\n',
        b'{\n  "Volumes": {\n    "/d": 1\n  }\n}\n',
        b'{\n  "User": 0\n}\n',
        b'{"User":"a"}\n',
        b'{\n  "x": NaN\n}\n',
        b"[" * 100_000,
        b'{\n  "x": "' + b"a" * (1 << 20) + b'"\n}\n',
        b'{\n  "User": "a\\u0000b"\n}\n',
        b'{\n  "x": {\n    "a\\u0000": 1\n  }\n}\n',
    ],
)
def test_bad_configs_are_refused(data: bytes) -> None:
    with pytest.raises(InvalidConfig):
        decode_config(data)


def test_what_is_no_nul() -> None:
    """As JSON spells them: backslashes before what looks like one."""
    config = ImageConfig(cmd=("\\u0000", "\\\\u0000"))
    assert decode_config(encode_config(config)) == config


@pytest.mark.parametrize(
    "values",
    [
        {"Healthcheck": "x"},
        {"Healthcheck": ["CMD", "x"]},
        {"Healthcheck": {"Test": "x"}},
        {"Healthcheck": {"Test": 5}},
        {"Healthcheck": {"Test": ["CMD", 5]}},
        *(
            {"Healthcheck": {"Test": ["CMD", "x"], key: value}}
            for key in ("Interval", "Timeout", "StartPeriod", "StartInterval", "Retries")
            for value in ("1", 1.5, 1e308, 10**30, 1 << 63, -1, [1], True)
        ),
        {"Healthcheck": {"Retries": 1 << 31}},
        {"StopSignal": "9" * 5000},
        {"StopSignal": 9},
        {"Shell": "/bin/sh"},
        {"Shell": [1]},
        {"OnBuild": {"a": "b"}},
        {"OnBuild": [["RUN x"]]},
    ],
    ids=str,
)
def test_what_others_would_stumble_over(values: dict[str, object]) -> None:
    """What is the right JSON, and nothing that a health check, a shell or a signal can be."""
    text = json.dumps(values, indent=2, sort_keys=True, ensure_ascii=False)
    with pytest.raises(InvalidConfig):
        decode_config(text.encode() + b"\n")


def test_a_health_check_with_all_that_it_may_have() -> None:
    longest = (1 << 63) - 1
    check = {"Interval": longest, "Timeout": 1, "StartInterval": None, "StartPeriod": 0}
    config = ImageConfig(extra={"Healthcheck": {**check, "Retries": 9, "Test": ["CMD", "x"]}})
    assert decode_config(encode_config(config)) == config


def test_what_is_nested_takes_no_more_memory_than_it_says() -> None:
    """2,000 lists in each other are 4 KB; indented they are 8 MB, and here are 250 of them."""
    nested: object = []
    for _ in range(30):
        nested = [nested]
    config = ImageConfig(extra={"x": nested, "y": 1})
    assert decode_config(encode_config(config)) == config
    begun = time.process_time()
    with pytest.raises(InvalidConfig, match="nested too deeply"):
        decode_config(b'{"x": [' + b",".join([b"[" * 2000 + b"]" * 2000] * 250) + b"]}")
    assert time.process_time() - begun < 10


@pytest.mark.parametrize(
    ("machine", "name"),
    [("x86_64", "amd64"), ("aarch64", "arm64"), ("armhf", "arm"), ("riscv64", "riscv64")],
)
def test_machines_have_the_names_of_oci(machine: str, name: str) -> None:
    assert architecture_name(machine) == name
