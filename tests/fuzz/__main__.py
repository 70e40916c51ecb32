"""Fuzz for long: python -m tests.fuzz [--seconds N] [--seed N] [TARGET …]. See `make fuzz`.

With atheris (libFuzzer, guided by what the code does with the bytes) where it can be had, else with
Hypothesis. Each target runs in a process of its own; what breaks one is written to a file.
"""

from __future__ import annotations

import argparse
import importlib.util
import subprocess
import sys

from tests.fuzz.engines import FINDINGS


def main() -> int:
    """Run the targets, one after the other; 1 when one is broken."""
    from tests.fuzz.targets import SCRATCH, TARGETS

    SCRATCH.rmdir()  # each process has its own
    names = [target.name for target in TARGETS]
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("targets", metavar="TARGET", nargs="*", choices=[*names, []])
    parser.add_argument("--seconds", type=int, default=60, help="for each target; 60")
    parser.add_argument("--seed", type=int, default=1)
    words = parser.parse_args()
    guided = importlib.util.find_spec("atheris") is not None
    if not guided:
        print("atheris is not installed: Hypothesis alone", file=sys.stderr)
    engine = "atheris" if guided else "hypothesis"
    FINDINGS.mkdir(parents=True, exist_ok=True)
    broken = []
    for name in words.targets or names:
        print(f"== {name}: {words.seconds} s", flush=True)
        command = [sys.executable, "-m", "tests.fuzz.engines", engine, name]
        if subprocess.run([*command, str(words.seconds), str(words.seed)], check=False).returncode:
            broken.append(name)
    print(f"broken: {', '.join(broken)}" if broken else "nothing broken")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
