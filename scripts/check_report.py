#!/usr/bin/env python3
"""Check JUnit reports of pytest.

scripts/check_report.py REQUIRED REPORT...

No test that needs root, LXC, overlay, EROFS or the network may have been skipped. Each line of the
file REQUIRED names tests as pytest does, `*` standing for anything (# begins a comment): at least
one test must bear the name, and all that do must have passed.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from xml.etree import ElementTree as ET


def read_report(report: str) -> tuple[dict[str, bool], list[str]]:
    """Whether each test passed, by `package.module::name`; and what was skipped and must not be."""
    passed, skipped = {}, []
    for case in ET.parse(report).iter("testcase"):
        name = f"{case.get('classname')}::{case.get('name')}"
        outcomes = {child.tag for child in case} & {"failure", "error", "skipped"}
        needs = [p.get("value", "") for p in case.iter("property") if p.get("name") == "needs"]
        passed[name] = not outcomes
        if "skipped" in outcomes and needs:
            skipped.append(f"skipped, and needs only {', '.join(needs)}: {name}")
    return passed, skipped


def required(path: str) -> list[re.Pattern[str]]:
    """The names of the file, as patterns for those of the report."""
    lines = (line.partition("#")[0].strip() for line in Path(path).read_text().splitlines())
    return [_pattern(line) for line in lines if line]


def _pattern(name: str) -> re.Pattern[str]:
    path, _, test = name.partition("::")
    dotted = f"{path.removesuffix('.py').replace('/', '.')}::{test}"
    return re.compile(".*".join(map(re.escape, dotted.split("*"))))


def main(names: str, *reports: str) -> int:
    """Print the faults, or that there are none; 1 when there are."""
    passed: dict[str, bool] = {}
    faults: list[str] = []
    for report in reports:
        results, skipped = read_report(report)
        passed |= results
        faults += skipped
    for pattern in required(names):
        found = [name for name in passed if pattern.fullmatch(name)]
        if not found:
            faults.append(f"required, and not run: {pattern.pattern}")
        faults += [f"required, and not passed: {name}" for name in found if not passed[name]]
    print("\n".join(faults) or f"{len(passed)} tests; none skipped that must run")
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
