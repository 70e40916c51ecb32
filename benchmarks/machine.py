"""The machine that the figures are of: without it they say nothing."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from lxgit import __version__

_PROJECT = Path(__file__).parent.parent
_VERSIONS = {
    "git": ("git", "--version"),
    "LXC": ("lxc-execute", "--version"),
    "podman": ("podman", "--version"),
    "runc": ("runc", "--version"),
    "Docker": ("dockerd", "--version"),
    "ostree": ("ostree", "--version"),
    "restic": ("restic", "version"),
    "tar": ("tar", "--version"),
}
_NUMBER = re.compile(r"\d+(\.\d+)+[\w.+~-]*")


@dataclass(frozen=True, slots=True)
class Machine:
    """Everything that a figure may depend on; `memory` in bytes, `load` before the run."""

    date: str
    lxgit: str
    cpu: str
    cores: int
    memory: int
    load: float
    system: str
    kernel: str
    filesystem: str
    versions: dict[str, str]

    @classmethod
    def look(cls, directory: Path) -> Machine:
        """This machine; the stores are in `directory`."""
        return cls(
            date=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            lxgit=f"{__version__} ({_commit()})",
            cpu=processor(Path("/proc/cpuinfo").read_text()),
            cores=len(os.sched_getaffinity(0)),
            memory=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
            load=round(os.getloadavg()[0], 2),
            system=platform.freedesktop_os_release().get("PRETTY_NAME", "unknown"),
            kernel=f"{platform.release()} {platform.machine()}",
            filesystem=filesystem(directory),
            versions={
                "Python": platform.python_version(),
                **{name: _version(*command) for name, command in _VERSIONS.items()},
            },
        )

    def words(self) -> str:
        """For people, in three lines."""
        versions = ", ".join(f"{name} {version}" for name, version in self.versions.items())
        size = f"{self.cores} cores, {self.memory / 2**30:.0f} GiB"
        return (
            f"{self.cpu}, {size}; stores on {self.filesystem}; load {self.load} before\n"
            f"{self.system}, kernel {self.kernel}; {versions}\n"
            f"lxgit {self.lxgit}, {self.date}"
        )

    def values(self) -> dict[str, object]:
        """For JSON."""
        return asdict(self)


def processor(cpuinfo: str) -> str:
    """The model that /proc/cpuinfo names; not every architecture's does."""
    found = re.search(r"^model name\s*:\s*(.+)$", cpuinfo, re.MULTILINE)
    return found[1] if found else platform.machine()


def filesystem(directory: Path) -> str:
    """The type of a directory's file system; of ext4, whether it goes without its journal.

    A journal costs at each fsync; for what its absence costs, see docs/benchmarks.md.
    """
    device = directory.stat().st_dev
    number = f"{os.major(device)}:{os.minor(device)}"
    kind = mounted_type(Path("/proc/self/mountinfo").read_text(), number)
    options = Path("/proc/fs/ext4", Path("/sys/dev/block", number).resolve().name, "options")
    if kind == "ext4" and options.exists() and "data=" not in options.read_text():
        return "ext4 without a journal"
    return kind


def mounted_type(mountinfo: str, number: str) -> str:
    """The type of the file system on the device `number`, as in /proc/PID/mountinfo (proc(5))."""
    for line in mountinfo.splitlines():
        fields, _, rest = line.partition(" - ")
        if fields.split()[2] == number:
            return rest.split()[0]
    return "unknown"


def _commit() -> str:
    """What is measured, as Git names it; nothing outside of a clone."""
    command = ("git", "-C", str(_PROJECT), "describe", "--always", "--dirty")
    return _said(*command).strip() or "no clone"


def _version(*command: str) -> str:
    found = _NUMBER.search(_said(*command))
    return found[0] if found else "absent"


def _said(*command: str) -> str:
    program = shutil.which(command[0])
    if program is None:
        return ""
    done = subprocess.run([program, *command[1:]], capture_output=True, text=True, check=False)
    return done.stdout
