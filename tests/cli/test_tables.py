"""Listings."""

from __future__ import annotations

import json

from lxgit.cli.tables import columns, short_id, write_json, write_table
from tests.cli.rendering import rendered

HEAD = ["ID", "IMAGE", "COMMAND", "CREATED", "STATUS", "PORTS"]
ROW = ["79365b2985c4", "base:latest", "/bin/ping -i 5 www.a", "22 seconds ago", "Up 21 seconds", ""]


def test_columns_are_those_of_the_article() -> None:
    text = rendered(lambda out: write_table(out, HEAD, [ROW]))
    assert text == ARTICLE


ARTICLE = """\
ID                  IMAGE               COMMAND                CREATED             STATUS              PORTS
79365b2985c4        base:latest         /bin/ping -i 5 www.a   22 seconds ago      Up 21 seconds
"""  # noqa: E501 - as wide as it was


def test_whole_ids_widen_their_column() -> None:
    digits = "79365b2985c43a2a6977764f4dde2d375084020fbc04cc855508c417a36f88c2"
    text = rendered(lambda out: write_table(out, ["ID", "IMAGE"], [[digits, "base:latest"]]))
    assert text.splitlines()[1] == f"{digits}   base:latest"


def test_an_empty_table_is_its_head() -> None:
    assert rendered(lambda out: write_table(out, ["NAME", "ID"], [])) == f"{'NAME':20}ID\n"


def test_cells_cannot_move_the_cursor_or_break_the_line() -> None:
    text = rendered(lambda out: write_table(out, ["A", "B"], [["x\x1b[2J\ny", "z"]]))
    assert text.splitlines()[1] == r"x\x1b[2J y".ljust(20) + "z"


def test_wide_letters_take_two_columns() -> None:
    assert columns("日本") == 4
    assert columns("e\u0301") == 1
    text = rendered(lambda out: write_table(out, ["A", "B"], [["日本", "z"], ["ab", "z"]]))
    assert text.splitlines()[1] == f"日本{' ' * 16}z"


def test_json_is_an_array_with_an_element_a_line() -> None:
    text = rendered(lambda out: write_json(out, [{"id": "a"}, {"name": "é\udcff"}]))
    assert text == '[\n{"id": "a"},\n{"name": "\\u00e9\\udcff"}\n]\n'
    assert json.loads(text) == [{"id": "a"}, {"name": "é\udcff"}]
    assert rendered(lambda out: write_json(out, [])) == "[]\n"


def test_ids() -> None:
    assert short_id("0123456789abcdef") == "0123456789ab"
    assert short_id("0123456789abcdef", whole=True) == "0123456789abcdef"
