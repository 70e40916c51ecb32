"""The table of commands: enough for `lxgit help`, and where to find each one.

A command has one word, or two where it is one of a family: `ps`, `container ls`. Nothing is
imported for a command that is not asked for.
"""

from __future__ import annotations

from lxgit.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from lxgit.cli.params import Command


class Listed(NamedTuple):
    """A command as the table has it: `module` below lxgit.cli, `function` in it."""

    name: str
    module: str
    function: str
    summary: str

    def load(self) -> Command:
        """Import the command's module."""
        loaded: Command = getattr(
            __import__(f"lxgit.cli.{self.module}", fromlist=(self.function,)), self.function
        )
        return loaded


class Family(NamedTuple):
    """Commands of two words, of which this is the first; `own` have the second for a name.

    `same` are second words that do what a command of one word does: the one of that name, or in
    `ls=ps` the one behind the mark. `alone` is the second word that is meant where there is none,
    as when an option comes first.
    """

    name: str
    summary: str
    own: tuple[Listed, ...] = ()
    same: str = ""
    alone: str = ""

    def members(self) -> list[Listed]:
        """Its commands by their second words, in the order of the alphabet."""
        words = (word.partition("=") for word in self.same.split())
        listed = [(name, find(plain or name)) for name, _, plain in words]
        same = [found._replace(name=name) for name, found in listed if found is not None]
        return sorted((*self.own, *same))


GROUPS: dict[str, tuple[Listed | Family, ...]] = {
    "Make an image": (
        Listed("bootstrap", "images", "bootstrap", "make an image from Debian's archive"),
        Listed("import", "images", "import_", "make an image from a tar or a directory"),
        Listed("build", "building", "build", "make an image from a Dockerfile"),
        Listed("insert", "building", "insert", "put a file from the network into an image"),
        Listed("pull", "receiving", "pull", "fetch an image and its history from a registry"),
        Listed("load", "receiving", "load", "take images that 'save' or other tools wrote"),
    ),
    "Work on a machine": (
        Listed("run", "run", "run", "start a container of an image, HEAD's by default"),
        Listed("create", "creating", "create", "make a container, to be started later"),
        Listed("start", "run", "start", "go back into a stopped container"),
        Listed("status", "worktree", "status", "show what containers changed"),
        Listed("diff", "diff", "diff", "show changes as text"),
        Listed("commit", "worktree", "commit", "record what a container changed"),
        Listed("restore", "moving", "restore", "put paths of a container back"),
        Listed("reset", "moving", "reset", "drop what a container changed"),
        Family(
            "stash",
            "put away what a container changed, and bring it back",
            (
                Listed("drop", "stashing", "drop", "delete a stash"),
                Listed("list", "stashing", "list_", "list stashes"),
                Listed("pop", "stashing", "pop", "bring a stash back, and delete it"),
                Listed("push", "stashing", "push", "put away what a container changed"),
                Listed("show", "stashing", "show", "show what a stash changes"),
            ),
            alone="push",
        ),
    ),
    "Look at history, and grow it": (
        Listed("log", "log", "log", "show the commits of a branch"),
        Listed("show", "history", "show", "show a commit, or a file of one"),
        Listed("ls", "history", "ls", "list a directory of an image"),
        Listed("reflog", "undo", "reflog", "show where names were"),
        Listed("rev-parse", "history", "rev_parse", "print the id that a name stands for"),
        Listed("branch", "branches", "branch", "list, create or delete branches"),
        Listed("checkout", "branches", "checkout", "move HEAD to a branch or a commit"),
        Listed("switch", "branches", "switch", "move HEAD to a branch"),
        Listed("tag", "tags", "tag", "list, create or delete tags"),
        Listed("undo", "undo", "undo", "undo the last command that moved a name or a container"),
    ),
    "Containers": (
        Listed("ps", "listings", "ps", "list containers"),
        Listed("exec", "executing", "exec_", "run another command in a running container"),
        Listed("cp", "copying", "cp", "copy files between a container and the host"),
        Listed("logs", "running", "logs", "print what a container has written"),
        Listed("attach", "running", "attach", "connect this terminal to a running container"),
        Listed("stop", "running", "stop", "end running containers"),
        Listed("kill", "running", "kill", "send running containers a signal"),
        Listed("restart", "running", "restart", "stop containers, and start them again"),
        Listed("pause", "running", "pause", "have running containers stand still"),
        Listed("unpause", "running", "unpause", "have paused containers go on"),
        Listed("wait", "running", "wait", "wait for containers to end"),
        Listed("rename", "running", "rename", "give a container another name"),
        Listed("port", "running", "port", "show where its ports are on the host"),
        Listed("top", "watching", "top", "show the processes of a container"),
        Listed("stats", "watching", "stats", "show what containers use of the host"),
        Listed("events", "watching", "events", "tell what happens, and what has happened"),
        Listed("update", "creating", "update", "change the limits of containers"),
        Listed("rm", "containers", "rm", "delete containers"),
        Listed("inspect", "containers", "inspect", "show everything about images and containers"),
        Family(
            "container",
            "manage containers, as Docker has it: container ls",
            (
                Listed("diff", "containers", "container_diff", "list the paths that it changed"),
                Listed("inspect", "containers", "container_inspect", "show everything about them"),
                Listed("prune", "containers", "container_prune", "delete the stopped ones"),
            ),
            same="attach commit cp create exec export kill logs ls=ps pause port rename restart"
            " rm run start stats stop top unpause update wait",
        ),
        Family(
            "network",
            "manage which containers can talk to which",
            (
                Listed("connect", "networks", "connect", "put a container on one more"),
                Listed("create", "networks", "create", "make a network"),
                Listed("disconnect", "networks", "disconnect", "take a container off one"),
                Listed("inspect", "networks", "inspect", "show everything about networks"),
                Listed("ls", "networks", "ls", "list networks"),
                Listed("prune", "networks", "prune", "delete those that no container has"),
                Listed("rm", "networks", "rm", "delete networks"),
            ),
        ),
        Family(
            "volume",
            "manage what containers share and outlives them",
            (
                Listed("create", "volumes", "create", "make a volume"),
                Listed("inspect", "volumes", "inspect", "show everything about volumes"),
                Listed("ls", "volumes", "ls", "list volumes"),
                Listed("prune", "volumes", "prune", "delete those that no container has"),
                Listed("rm", "volumes", "rm", "delete volumes"),
            ),
        ),
    ),
    "Images": (
        Listed("export", "images", "export", "write an image as a tar"),
        Listed("push", "sending", "push", "send an image and its history to a registry"),
        Listed("search", "registries", "search", "find images in a registry"),
        Listed("login", "registries", "login", "have a registry know who you are"),
        Listed("logout", "registries", "logout", "have a registry forget who you are"),
        Listed("save", "sending", "save", "write images with their histories for other tools"),
        Listed("images", "listings", "images", "list images"),
        Listed("rmi", "images", "rmi", "delete names of images"),
        Listed("history", "imagehistory", "history", "show how an image came to be"),
        Family(
            "builder",
            "build images, and forget how they were built",
            (Listed("prune", "building", "prune", "forget the steps of builds"),),
            same="build",
        ),
        Family(
            "image",
            "manage images, as Docker has it: image ls",
            (Listed("inspect", "containers", "image_inspect", "show everything about them"),),
            same="build history import load ls=images rm=rmi pull push save tag",
        ),
    ),
    "The store": (
        Listed("gc", "store", "gc", "drop what nothing reaches, and repack"),
        Listed("prune", "store", "prune", "drop cached layers"),
        Listed("fsck", "store", "fsck", "verify the store, and repair what can be"),
        Family(
            "system",
            "look at the store as a whole",
            (
                Listed("df", "system", "df", "show what it takes of the disk"),
                Listed("service", "service", "service", "print a unit that starts it at boot"),
                Listed("start-all", "service", "start_all", "start what should run"),
                Listed("stop-all", "service", "stop_all", "stop it until the next boot"),
            ),
            same="events info",
        ),
    ),
    "lxgit itself": (
        Listed("help", "about", "help_", "show how to use a command"),
        Listed("info", "host", "info", "show what the host has and lacks for containers"),
        Listed("version", "host", "version", "show the versions of all that is at work"),
        Listed("completion", "about", "completion", "print the completion script of a shell"),
    ),
}


COMMON = (
    "bootstrap import build pull run start status diff commit log show branch checkout tag undo"
    " ps exec attach cp logs stop kill wait rm push images rmi gc"
)
"""What most people want on most days, and 2013 listed; the others are found from there."""


def split(words: Sequence[str]) -> tuple[str, Sequence[str]]:
    """The name of the command that a line is about, of one word or two, and what follows it."""
    family = find_family(words[0])
    if family is not None and family.alone and (len(words) == 1 or words[1].startswith("-")):
        return f"{family.name} {family.alone}", words[1:]
    count = 1 if family is None else 2
    return " ".join(words[:count]), words[count:]


def asks_for_help(family: Family, words: Sequence[str]) -> bool:
    """Whether what follows a family's name is answered with its commands."""
    return words[0] in ("--help", "-h") if words else not family.alone


def find(name: str) -> Listed | None:
    """The command of that name."""
    first, _, word = name.rpartition(" ")
    family = find_family(first)
    known = family.members() if family is not None else entries()
    return next((each for each in known if isinstance(each, Listed) and each.name == word), None)


def find_family(name: str) -> Family | None:
    """The family of that name."""
    return next(
        (each for each in entries() if isinstance(each, Family) and each.name == name), None
    )


def first_words() -> list[tuple[str, str]]:
    """What a command line may begin with, and what each is for."""
    return [(each.name, each.summary) for each in entries()]


def entries() -> list[Listed | Family]:
    """Everything that a command line may begin with, in the order of the help."""
    return [each for group in GROUPS.values() for each in group]


def nearest(name: str) -> str | None:
    """The command that a mistyped name most likely means."""
    from difflib import get_close_matches

    first, _, word = name.rpartition(" ")
    family = find_family(first)
    names = family.members() if family is not None else entries()
    matches = get_close_matches(word, [each.name for each in names], n=1)
    return f"{first} {matches[0]}".lstrip() if matches else None


def overview() -> str:
    """What `lxgit --help` prints: the common commands, and where the others are."""
    names = COMMON.split()
    common = {
        title: [each for each in group if each.name in names] for title, group in GROUPS.items()
    }
    families = ", ".join(each.name for each in entries() if isinstance(each, Family))
    return "\n".join((_HEAD, *_listed(common), _OPTIONS, _MORE.format(families=families)))


def all_commands() -> str:
    """What `lxgit help --all` prints."""
    return "\n".join((_HEAD, *_listed(GROUPS), _OPTIONS, _TELLS_MORE))


def _listed(groups: Mapping[str, Sequence[Listed | Family]]) -> Iterator[str]:
    """A line each, below the title of its group; a group of none has no title."""
    width = max(len(each.name) for group in groups.values() for each in group)
    for title, group in groups.items():
        if group:
            yield f"{title}:"
            yield from (f"  {each.name:{width}}  {each.summary}" for each in group)
            yield ""


def family_help(family: Family) -> str:
    """What `lxgit FAMILY` prints: its commands."""
    members = family.members()
    width = max(len(member.name) for member in members)
    lines = [
        f"Usage: lxgit {family.name} COMMAND [ARGUMENT]...",
        "",
        *(f"  {member.name:{width}}  {member.summary}" for member in members),
        "",
        f"'lxgit help {family.name} COMMAND' tells more of one, with examples.",
    ]
    if family.alone:
        meant = f"lxgit {family.name} {family.alone}"
        lines.append(f"'lxgit {family.name}' alone, or before an option, is '{meant}'.")
    return "\n".join(lines) + "\n"


_HEAD = """\
Usage: lxgit [--store DIR] COMMAND [ARGUMENT]...

Git for machine images: an image is a commit, a container its work tree.
"""

_OPTIONS = """\
Options:
  --store DIR  the store; default LXGIT_STORE, else /var/lib/lxgit for root,
               ~/.local/share/lxgit for others
  --version    print the version
  --help       print the common commands
"""

_TELLS_MORE = """\
'lxgit help COMMAND' tells more of one command, with examples.
"""

_MORE = f"""\
'lxgit help --all' lists every command. Some have commands of their own
({{families}}).
{_TELLS_MORE}"""
