"""What CI must never lose is there: each name of .ci/required-tests is a test's."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
NAMES = [
    name
    for line in (ROOT / ".ci" / "required-tests").read_text().splitlines()
    if (name := line.partition("#")[0].strip())
]


@pytest.mark.parametrize("name", NAMES)
def test_a_required_test_is_there(name: str) -> None:
    """In its file, whatever parameters it has."""
    path, _, test = name.partition("::")
    module = ast.parse((ROOT / path).read_text())
    defined = [node.name for node in module.body if isinstance(node, ast.FunctionDef)]
    wanted, star, _ = test.partition("[")[0].partition("*")
    assert any(found == wanted or (star and found.startswith(wanted)) for found in defined)
