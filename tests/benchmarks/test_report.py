from __future__ import annotations

import json
from contextlib import nullcontext

import pytest

from benchmarks.harness import Contest, Listed, Result, Row, Unit, Verdict
from benchmarks.report import amount, document, spread, summary, table

ROW = Row("run", "`run`, warm", "podman", lambda: nullcontext(Contest(lambda: 0)), 1.0, 0.15)
WITHIN = Result(ROW, Verdict.WITHIN, (0.1, 0.2, 0.3), (0.3, 0.4, 0.5))
VOID = Result(ROW, Verdict.VOID, reason="podman stores with vfs")


@pytest.mark.parametrize(
    ("figure", "unit", "text"),
    [
        (0.01234, Unit.SECONDS, "12.3 ms"),
        (0.999, Unit.SECONDS, "999.0 ms"),
        (1.5, Unit.SECONDS, "1.50 s"),
        (12.345, Unit.SECONDS, "12.35 s"),
        (100, Unit.BYTES, "100.0 B"),
        (250 * 2**20, Unit.BYTES, "250.0 MiB"),
        (5 * 2**40, Unit.BYTES, "5120.0 GiB"),
    ],
)
def test_amount(figure: float, unit: Unit, text: str) -> None:
    assert amount(figure, unit) == text


def test_the_table_is_markdown_in_columns() -> None:
    lines = table([WITHIN, VOID]).splitlines()
    assert len({len(line) for line in lines}) == 1
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert set("".join(cells[1])) == {"-"}
    assert cells[0] == ["operation", "lxgit", "peer", "ratio", "reach", ""]
    reach = "≤ 1 ×, ≤ 150 ms"
    assert cells[2:] == [
        ["`run`, warm", "200.0 ms", "400.0 ms podman", "0.50 ×", reach, "within"],
        ["`run`, warm", "", "podman", "", reach, "void: podman stores with vfs"],
    ]


def test_a_reason_cannot_break_the_table() -> None:
    broken = Result(ROW, Verdict.FAILED, reason="a | b\nc")
    assert table([broken]).splitlines()[-1].endswith("failed: a / b c |")


def test_the_document_has_every_round() -> None:
    made = json.loads(json.dumps(document([WITHIN, VOID], {"cpu": "a"})))
    assert made["machine"] == {"cpu": "a"}
    within, void = made["rows"]
    assert within["lxgit"] == {"median": 0.2, "rounds": [0.1, 0.2, 0.3]}
    assert within["peer"] == {"name": "podman", "median": 0.4, "rounds": [0.3, 0.4, 0.5]}
    assert within["ratio"] == pytest.approx(0.5)
    assert (void["verdict"], void["reason"], void["ratio"]) == ("void", VOID.reason, None)


def test_summary() -> None:
    assert summary([WITHIN, WITHIN, VOID]) == "2 within, 1 void"


def test_further_peers_stand_below_their_row() -> None:
    listed = (Listed("docker", (1.0, 2.0)), Listed("restic", (), "no restic | here"))
    result = Result(ROW, Verdict.WITHIN, (0.3,), (0.4,), listed=listed)
    below = table([result]).splitlines()[-2:]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in below]
    assert cells == [
        ["", "", "1.50 s docker", "0.20 ×", "", "listed"],
        ["", "", "restic", "", "", "void: no restic / here"],
    ]
    entry = json.loads(json.dumps(document([result], {})))["rows"][0]
    assert [(peer["name"], peer["rounds"]) for peer in entry["listed"]] == [
        ("docker", [1.0, 2.0]),
        ("restic", []),
    ]


def test_the_spread_is_that_of_the_quartiles() -> None:
    once = Result(ROW, Verdict.WITHIN, (0.1,), (0.2,))
    line = spread([WITHIN, once, VOID]).splitlines()[-1]
    assert [cell.strip() for cell in line.strip("|").split("|")] == [
        "`run`",
        "150.0 ms to 250.0 ms",
        "350.0 ms to 450.0 ms",
    ]
    assert len(spread([WITHIN, once, VOID]).splitlines()) == 3
