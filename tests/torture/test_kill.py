"""SIGKILL at any moment: nothing that was acknowledged is lost, and no repair by hand is due."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.torture import conftest
from tests.torture.killing import BETWEEN, RECORDED, torture
from tests.torture.machines import OPERATIONS, Operation

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.torture.machines import Workshop

pytestmark = [pytest.mark.root, pytest.mark.slow, pytest.mark.scale]


@pytest.mark.timeout(0)
@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_kill_at_any_moment(
    operation: Operation,
    workshop: Workshop,
    scratch: Path,
    record_property: Callable[[str, object], None],
) -> None:
    """At least half of the kills land between the first write of an operation and its last."""
    conftest.require(operation)
    report = torture(workshop.machine(operation), scratch, conftest.ROUNDS, conftest.SEED)
    record_property(RECORDED, report.row())
    assert not report.faults, "\n".join([f"seed {conftest.SEED}", *report.faults])
    assert report.landed[BETWEEN] * 2 >= report.rounds
