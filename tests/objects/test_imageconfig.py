from __future__ import annotations

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
surrogate_free = st.text(max_size=20)


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
    ],
)
def test_bad_configs_are_refused(data: bytes) -> None:
    with pytest.raises(InvalidConfig):
        decode_config(data)


@pytest.mark.parametrize(
    ("machine", "name"),
    [("x86_64", "amd64"), ("aarch64", "arm64"), ("armhf", "arm"), ("riscv64", "riscv64")],
)
def test_machines_have_the_names_of_oci(machine: str, name: str) -> None:
    assert architecture_name(machine) == name
