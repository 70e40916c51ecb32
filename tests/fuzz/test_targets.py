"""Every target for a few seconds, with the same bytes each time; `make fuzz` takes longer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.conftest import remove
from tests.fuzz.mutations import mutated
from tests.fuzz.targets import SCRATCH, TARGETS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.fuzz.targets import Target

EXAMPLES = 400


@pytest.fixture(scope="module", autouse=True)
def _scratch() -> Iterator[None]:
    SCRATCH.mkdir(exist_ok=True)
    yield
    remove(SCRATCH)


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_its_seeds(target: Target) -> None:
    for seed in target.seeds:
        target.run(seed)


@pytest.mark.scale
@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
@settings(
    max_examples=EXAMPLES,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(data=st.data())
def test_mutations_of_its_seeds(target: Target, data: st.DataObject) -> None:
    target.run(data.draw(mutated(target.seeds)))


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
@settings(max_examples=EXAMPLES // 4, derandomize=True, database=None)
@given(data=st.binary(max_size=300))
def test_any_bytes(target: Target, data: bytes) -> None:
    target.run(data)
