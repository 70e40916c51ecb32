"""The table of docs/security.md, measured here and now: `python -m benchmarks.security`.

Root, and what `scripts/setup bench` installs. Exits with 1 where lxgit has less between a container
and the host than one of the others, and says in what.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from benchmarks.peers.docker import docker
from benchmarks.peers.podman import Podman
from benchmarks.programs import Program, environment
from tests.support import rootfs
from tests.support.insight import Insight, table
from tests.support.machine import work_directory
from tests.support.program import PROGRAM


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="lxgit-security-", dir=work_directory()) as name:
        place = Path(name)
        seen = _look(place, rootfs.make_tar(rootfs.build_busybox(place / "root"), place / "tar"))
    print(table(seen))
    ours = seen.pop("lxgit")
    looser = {name: ours.looser_than(theirs) for name, theirs in seen.items()}
    for name, lines in looser.items():
        print(f"looser than {name}: {', '.join(lines) or 'in nothing'}", file=sys.stderr)
    return any(looser.values())


def _look(place: Path, tar: Path) -> dict[str, Insight]:
    lxgit = Program((str(PROGRAM), f"--store={place / 'store'}"), environment(place))
    lxgit.run("import", str(tar), "base")
    seen = {"lxgit": Insight.look(lxgit.run, "base", "--network=none")}
    with docker(place / "docker") as daemon:
        daemon.program.run("import", str(tar), "base")
        seen["Docker"] = Insight.look(daemon.program.run, "base", "--network=none")
    podman = Podman(place / "podman").program
    podman.run("import", str(tar), "base")
    seen["Podman"] = Insight.look(podman.run, "base", "--network=none")
    return seen


if __name__ == "__main__":
    sys.exit(main())
