"""Measure lxgit against its peers: `python -m benchmarks`, or `make bench`.

Prints one table and writes one JSON file. A figure that misses its reach is no error; an operation
that does not work is.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import report
from benchmarks.harness import Verdict, measure
from benchmarks.inputs import FULL, QUICK
from benchmarks.machine import Machine
from benchmarks.rows import all_rows
from benchmarks.workbench import Workbench
from tests.support.machine import work_directory

if TYPE_CHECKING:
    from benchmarks.harness import Result, Row
    from benchmarks.inputs import Inputs

_QUICK_ROUNDS = 2
_OUTPUT = Path("build/benchmarks.json")


def main() -> int:
    arguments = _parser().parse_args()
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    if os.geteuid() != 0:
        print("the benchmarks start containers: they need root", file=sys.stderr)
        return 1
    if arguments.list:
        return _list(arguments)
    machine = Machine.look(arguments.directory)
    with Workbench(arguments.directory, _inputs(arguments)) as bench:
        results = _measure(bench, arguments)
    _print(results, machine)
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    document = report.document(results, machine.values())
    arguments.output.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")
    print(f"\nround by round: {arguments.output}")
    return any(result.verdict is Verdict.FAILED for result in results)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "--only", nargs="+", metavar="ROW", default=[], help="these rows; all by default"
    )
    parser.add_argument("--list", action="store_true", help="name the rows, and measure nothing")
    parser.add_argument(
        "--quick",
        action="store_true",
        help="small inputs and few rounds: whether the rows work; their figures say nothing",
    )
    parser.add_argument("--rounds", type=int, metavar="N", help="in place of each row's own number")
    parser.add_argument(
        "--directory", type=Path, default=work_directory(), help="where the stores lie: %(default)s"
    )
    parser.add_argument(
        "--output", type=Path, default=_OUTPUT, metavar="FILE", help="the JSON: %(default)s"
    )
    return parser


def _inputs(arguments: argparse.Namespace) -> Inputs:
    return QUICK if arguments.quick else FULL


def _list(arguments: argparse.Namespace) -> int:
    with Workbench(arguments.directory, _inputs(arguments)) as bench:
        rows = _chosen(all_rows(bench), arguments.only)
    width = max(len(row.name) for row in rows)
    for row in rows:
        print(f"{row.name:{width}}  {row.about}")
    return 0


def _chosen(rows: list[Row], only: list[str]) -> list[Row]:
    if unknown := set(only) - {row.name for row in rows}:
        raise SystemExit(f"no such row: {', '.join(unknown)}; --list names them")
    return [row for row in rows if not only or row.name in only]


def _measure(bench: Workbench, arguments: argparse.Namespace) -> list[Result]:
    few = _QUICK_ROUNDS if arguments.quick else None
    results = []
    for row in _chosen(all_rows(bench), arguments.only):
        rounds = arguments.rounds or (min(few, row.rounds) if few else None)
        started = time.monotonic()
        results.append(measure(row, rounds=rounds, tell=_tell))
        _tell(f"{row.name}: {results[-1].verdict.value}, {time.monotonic() - started:.0f} s in all")
    return results


def _tell(what: str) -> None:
    """Where the run is: one line that is written over on a terminal."""
    start, end = ("\r\033[K", "") if sys.stderr.isatty() else ("", "\n")
    print(start + what, end=end, file=sys.stderr, flush=True)


def _print(results: list[Result], machine: Machine) -> None:
    if sys.stderr.isatty():
        _tell("")
    parts = (report.table(results), report.summary(results), report.spread(results))
    print("\n\n".join((*parts, machine.words())))


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)  # 128 + SIGINT; the workbench is gone
