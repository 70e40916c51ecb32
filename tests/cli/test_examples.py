"""Every example that `--help` shows is run, in a store that has what the examples speak of."""

from __future__ import annotations

import contextlib
import re
import subprocess
from typing import TYPE_CHECKING

import pexpect
import pytest

from lxgit.cli.usage import help_text
from tests.conftest import need_registry
from tests.support import netns
from tests.support.commands import all_commands
from tests.support.program import PROGRAM, Lxgit
from tests.support.registry import registry
from tests.support.stores import copied

if TYPE_CHECKING:
    from pathlib import Path

    from lxgit.cli.commands import Listed

EXAMPLES = {
    line: listed.name
    for listed in reversed([*all_commands()])
    for line, _ in listed.load().examples
}
# What the help of `--format` shows, behind the command's name in its first example.
EXAMPLES |= {
    typed.replace(f"lxgit {listed.name}", f"lxgit {listed.name} --format {shown[0]}"): listed.name
    for listed in all_commands()
    for item in listed.load().parameters
    if "--format" in item.declaration.names
    and (shown := re.findall("'{{.*}}'", item.declaration.help))
    for typed in [listed.load().examples[0][0]]
    if typed.startswith(f"lxgit {listed.name}")
}
ON_A_TERMINAL = ("-it", "-ai")
NOTED = {
    "checkout",
    "container prune",
    "import",
    "pull",
    "reset",
    "restore",
    "switch",
}  # say something beside the answer
ON_RECIPES = {"build", "builder build", "image build", "insert"}
ON_RUNNING = {"exec", "kill", "pause", "port", "stats", "stop", "top", "unpause"}
ON_NETWORKS = {"network connect", "network inspect", "network rm"}
ON_STASHES = {"stash drop", "stash pop", "stash show"}
REGISTRY = "localhost:5000"
MARKS = [pytest.mark.root, pytest.mark.overlay, pytest.mark.lxc]
# The README's session makes a Debian from the archive in any case.
FROM_THE_ARCHIVE = [*MARKS, pytest.mark.network, pytest.mark.slow, pytest.mark.scale]

SURROUNDINGS = """
set -e
mount -t tmpfs tmpfs /srv
cd {directory}
"""

# Where examples speak of a directory or an archive, there is one, for them alone.
DIRECTORY, ARCHIVE = "/srv/machine", "rootfs.tar.xz"

# For builds, there are Dockerfiles and what they ask for.
RECIPES = """
cat >Dockerfile <<'END'
FROM base AS runtime
ARG VERSION
RUN --mount=type=secret,id=key echo "$VERSION" >/version
END
mkdir /srv/web
cp Dockerfile /srv/web
cp Dockerfile /srv/Dockerfile
echo x >/srv/key
echo x >index.html
"""

# For what is fetched from http://localhost:8000.
SERVER = """
: >server.log
python3 -u -m http.server --bind 127.0.0.1 8000 >server.log 2>&1 &
trap "kill $!; wait" EXIT
until grep -q Serving server.log; do sleep 0.05; done
"""

# For commands about what runs, `web` does.
RUNNING = """
lxgit rm web >/dev/null
lxgit run -d --name web -p 80 base sh -c 'trap exit TERM; sleep 600 & wait' >/dev/null
{line}
lxgit rm -f web >/dev/null
"""

# Who is attached stays until it ends, which it does once somebody has heard of it.
ATTACHED = """
set -o pipefail
lxgit rm web >/dev/null
lxgit run -d --name web base sh -c 'until [ -e /end ]; do echo beat; sleep 0.05; done' >/dev/null
{line} | (read -r beat; lxgit exec web touch /end; cat >/dev/null)
"""

# For commands about stashes, `web` has two.
STASHED = """
lxgit stash push web >/dev/null
lxgit start -a web
lxgit stash push web >/dev/null
{line}
"""

# For what is in the registry at localhost:5000, and who one is there.
PUSHED = """
lxgit push -q base localhost:5000/base >/dev/null
echo x | lxgit login -u ada --password-stdin localhost:5000 >/dev/null
echo x >password
{line}
"""

# For what other tools have written: an archive of an image that is here no more.
SAVED = """
lxgit branch elsewhere base
lxgit save elsewhere -o image.tar
lxgit branch -D elsewhere >/dev/null
{line}
"""

# For commands about networks that there are.
NETWORKED = """
lxgit network create backend >/dev/null
lxgit network create --subnet 172.30.0.0/24 fixed >/dev/null
{line}
"""


@pytest.fixture(scope="module")
def archive(busybox_tar: Path) -> Path:
    subprocess.run(["xz", "-0", "--keep", "--force", busybox_tar], check=True)
    return busybox_tar.with_name(f"{busybox_tar.name}.xz")


@pytest.fixture(scope="module")
def lived_store(grown_store: Path, module_directory: Path) -> Path:
    """A store with branches, a tag, and a changed container `web` of HEAD's branch."""
    made = Lxgit(copied(grown_store, module_directory / "lived"), module_directory)
    made("branch", "old", "base")
    made("tag", "base:v1", "base")
    made("volume", "create", "stuff")
    made("run", "--name", "web", "HEAD", "sh", "-c", "echo hi >>/srv/index; echo x >>/etc/motd")
    return made.store


def marks_of(name: str) -> list[pytest.MarkDecorator]:
    """What the test of an example needs."""
    return FROM_THE_ARCHIVE if name == "bootstrap" else MARKS


@pytest.mark.parametrize(
    ("name", "line"),
    [pytest.param(name, line, marks=marks_of(name), id=line) for line, name in EXAMPLES.items()],
)
def test_the_example_works(
    lxgit: Lxgit,
    lived_store: Path,
    busybox_rootfs: Path,
    archive: Path,
    scratch: Path,
    name: str,
    line: str,
) -> None:
    copied(lived_store, lxgit.store)
    before = SURROUNDINGS.format(directory=scratch)
    before += f"cp -a {busybox_rootfs} {DIRECTORY}\n" if DIRECTORY in line else ""
    before += f"cp {archive} {ARCHIVE}\n" if ARCHIVE in line else ""
    before += RECIPES if name in ON_RECIPES else ""
    before += SERVER if "http://localhost" in line else ""
    script = RUNNING.format(line=line) if name in ON_RUNNING else line
    script = ATTACHED.format(line=line) if name == "attach" else script
    script = STASHED.format(line=line) if name in ON_STASHES else script
    script = NETWORKED.format(line=line) if name in ON_NETWORKS else script
    script = PUSHED.format(line=line) if REGISTRY in line else script
    script = SAVED.format(line=line) if "image.tar" in line and name == "load" else script
    command = ["unshare", "--mount", "bash", "-c", f"{before}\n{script}"]
    environment = lxgit.environment({"TERM": "xterm"})
    environment["PATH"] = f"{PROGRAM.parent}:{environment['PATH']}"
    environment["REGISTRY_AUTH_FILE"] = str(scratch / "auth.json")
    if not any(word in line for word in ON_A_TERMINAL):
        with surroundings(name, line, scratch):
            done = subprocess.run(
                command, env=environment, capture_output=True, text=True, check=False, timeout=900
            )
        assert done.returncode == 0, done.stderr
        assert not told(done.stderr) or name in NOTED
        return
    with pexpect.spawn(command[0], command[1:], env=environment, encoding="utf-8") as terminal:
        with contextlib.suppress(OSError):  # what does not wait for it may have ended
            terminal.sendline("exit")
        terminal.expect(pexpect.EOF, timeout=60)
    assert terminal.exitstatus == 0


def told(errors: str) -> list[str]:
    """All but that another process is waited for, as on a busy machine it may have to be."""
    return [line for line in errors.splitlines() if not line.startswith("lxgit: waiting")]


def surroundings(name: str, line: str, scratch: Path) -> contextlib.AbstractContextManager[object]:
    """The network of a command: Debian's archive, or a registry, or nothing."""
    if name == "bootstrap":
        return netns.outside()
    if REGISTRY in line:
        need_registry()
        return registry(scratch / "registry", port=5000)
    return contextlib.nullcontext()


@pytest.mark.parametrize("name", ["commit", "network create", "run"])
def test_help_is_printed(lxgit: Lxgit, name: str) -> None:
    (listed,) = (one for one in all_commands() if one.name == name)
    assert lxgit(*name.split(), "--help").lines == help_text(name, listed.load()).splitlines()


@pytest.mark.parametrize("listed", all_commands(), ids=lambda listed: listed.name)
def test_every_command_has_examples_and_help_that_fits(listed: Listed) -> None:
    name, command = listed.name, listed.load()
    lines = help_text(name, command).splitlines()
    assert lines[0].startswith(f"Usage: lxgit {name} ")
    assert "Examples:" in [line.strip() for line in lines]
    typed = {f"    {line}" for line, _ in command.examples}  # stay whole, to be copied
    assert max(len(line) for line in lines if line not in typed) <= 80
