"""Boot Debian 13 in QEMU, run the job in it, and say how it went: `python -m tests.vm`.

`--release bookworm` takes another than that of CI. Exit 0 when every step of the job passed.
The job's output comes as it is made; what the machine's console said is shown when the job did not
end.
"""

from __future__ import annotations

import argparse
import contextlib
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support import rootfs
from tests.vm import image

if TYPE_CHECKING:
    from collections.abc import Iterator

_STEP = re.compile(r"^(ok|not ok) \d+ - ")
_PLAN = re.compile(r"^1\.\.(\d+)$")
_TAIL = 60


def qemu(system: image.System, job: Path, serials: tuple[Path, Path]) -> list[str]:
    """The command line: a machine without network, its disk as it was before when it ends."""
    console, output = serials
    return [
        "qemu-system-x86_64",
        *("-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2", "-m", "2048"),
        *("-nic", "none", "-display", "none", "-no-reboot"),
        *("-kernel", str(system.kernel), "-initrd", str(system.initrd)),
        *("-append", "root=/dev/vda rw console=ttyS0 quiet systemd.show_status=0"),
        *("-drive", f"file={system.disk},format=raw,if=virtio,snapshot=on"),
        *("-drive", f"file={job},format=raw,if=virtio,readonly=on"),
        *("-serial", f"file:{console}", "-serial", f"file:{output}"),
    ]


def boot(system: image.System, job: Path, scratch: Path, timeout: float) -> list[str]:
    """The lines that the job printed; the machine is gone on return, whatever happened."""
    console, output = scratch / "console", scratch / "output"
    output.touch()
    lines = []
    with subprocess.Popen(qemu(system, job, (console, output))) as machine:
        try:
            for line in follow(output, machine, time.monotonic() + timeout):
                print(line, flush=True)
                lines.append(line)
        finally:
            machine.kill()
    if not any(_PLAN.match(line) for line in lines):
        print(
            "\n".join(
                ["--- the console", *console.read_text(errors="replace").splitlines()[-_TAIL:]]
            )
        )
    return lines


def follow(output: Path, machine: subprocess.Popen[bytes], deadline: float) -> Iterator[str]:
    """The lines of a growing file, until the machine ends or its time is up."""
    with output.open("rb") as file:
        rest = b""
        while True:
            ended = machine.poll() is not None or time.monotonic() > deadline
            *lines, rest = (rest + file.read()).split(b"\n")
            yield from (line.decode(errors="backslashreplace").rstrip("\r") for line in lines)
            if ended:
                return
            with contextlib.suppress(subprocess.TimeoutExpired):
                machine.wait(0.5)


def verdict(lines: list[str]) -> bool:
    """Whether the job ran to its end and every step passed; says so on the last line."""
    steps = [match[1] for line in lines if (match := _STEP.match(line))]
    plan = [int(match[1]) for line in lines if (match := _PLAN.match(line))]
    passed, failed = steps.count("ok"), steps.count("not ok")
    if plan != [len(steps)]:
        print("the job did not run to its end")
    print(f"{passed} passed, {failed} failed")
    return passed > 0 and failed == 0 and plan == [len(steps)]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.vm", description=__doc__)
    parser.add_argument("--timeout", type=float, default=5400, help="seconds for the whole job")
    parser.add_argument("--release", choices=image.RELEASES, default=image.STOCK)
    arguments = parser.parse_args()
    started = time.monotonic()
    release = image.RELEASES[arguments.release]
    system = image.system(release)
    with tempfile.TemporaryDirectory(prefix="lxgit-vm-") as scratch:
        job = Path(scratch, "job")
        debian = rootfs.cached_debian("essential", rootfs.ESSENTIAL)
        systemd = rootfs.cached_debian("systemd", rootfs.SYSTEMD)
        image.job_disk(job, {"debian.tar": debian, "systemd.tar": systemd}, release)
        print(f"disks ready after {time.monotonic() - started:.0f} s", flush=True)
        lines = boot(system, job, Path(scratch), arguments.timeout)
    passed = verdict(lines)
    print(f"after {time.monotonic() - started:.0f} s", file=sys.stderr)
    return not passed


if __name__ == "__main__":
    sys.exit(main())
