"""`created_by` of a history comes from strangers: how long it is read for."""

from __future__ import annotations

import time

import pytest

from lxgit.objects.imageconfig import ImageConfig
from lxgit.oci.createdby import after, instruction_of

LONG = 200_000


@pytest.mark.parametrize(
    "text",
    [
        "|1 " + "a=" * LONG,
        "|1" * LONG,
        "|1 a=b" + " /" * LONG,
        "ENV" + " " * LONG + "x",
        "ENV " + "A" * LONG,
        "ENV A=b" + " A" * LONG,
        'CMD ["' + '\\"' * LONG,
        "CMD [" + '"\\' * LONG,
        "VOLUME map[" + "a" * LONG,
        "VOLUME map[" + "a:" * LONG,
    ],
    ids=lambda text: text[:13],
)
def test_a_text_that_is_made_to_take_long(text: str) -> None:
    begun = time.process_time()
    after(ImageConfig(), text, "")
    assert time.process_time() - begun < 1


def test_what_is_printed_is_read_back() -> None:
    config = ImageConfig()
    assert instruction_of("|2 A=b c D=e /bin/sh -c make", config) == "RUN make"
    assert after(config, "ENV A=b c  D.x=e=f", "").env == ("A=b c", "D.x=e=f")
    own = after(config, r"/bin/sh -c $'#(nop) ENV A=b\tc'", "ENV A='b\tc'")
    assert own.env == ("A=b\tc",)
    listed = after(config, r'CMD ["a b" "c\"d" "e', "")
    assert listed.cmd == ("a b", 'c"d')
    assert after(config, "VOLUME map[/a:{} /b:{}]", "").volumes == ("/a", "/b")
