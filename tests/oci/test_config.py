"""What an image's config says of its history."""

from __future__ import annotations

import json

import pytest

from lxgit.oci.config import read_config
from tests.support.layouts import config_of


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("2020-01-01T00:00:00Z", 1_577_836_800),
        ("2020-01-01T01:00:00.999+01:00", 1_577_836_800),
        ("2020-01-01T00:00:00", None),
        ("2020-01-01", None),
        ("1969-12-31T23:59:59Z", None),
    ],
)
def test_times_are_the_same_on_each_machine(written: str, seconds: int | None) -> None:
    document = config_of([b""], history=[{"created": written}])
    (step,) = read_config(json.dumps(document).encode(), 1).steps
    assert step.time == seconds
