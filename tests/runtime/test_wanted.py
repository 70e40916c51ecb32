"""What `exec` asks a supervisor for, as bytes and back."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lxgit.runtime.wanted import WantedCommand

TEXT = st.binary(max_size=20).map(lambda data: os.fsdecode(data.replace(b"\0", b"/")))
NAMED = TEXT.map(lambda text: f"A={text}")
SIZE = st.integers(1, 65535)


@given(
    st.builds(
        WantedCommand,
        command=st.lists(TEXT, min_size=1).map(tuple),
        environment=st.lists(NAMED).map(tuple),
        working_dir=TEXT,
        user=TEXT,
        tty=st.booleans(),
        stdin_open=st.booleans(),
        detached=st.booleans(),
        window=st.none() | st.tuples(SIZE, SIZE),
    )
)
def test_the_way_to_bytes_and_back(wanted: WantedCommand) -> None:
    assert WantedCommand.decoded(wanted.encoded()) == wanted


@pytest.mark.parametrize("data", [b"", b"\0", b"\0\0\0\0\0", b"\0\0\0\0\0user\0/\0A=b"])
def test_what_nobody_encoded_is_refused(data: bytes) -> None:
    with pytest.raises((ValueError, IndexError)):
        WantedCommand.decoded(data)
