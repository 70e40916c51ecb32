"""Which names Git allows for a ref, and the errors about them (git-check-ref-format(1))."""

from __future__ import annotations

import os

from lxgit.errors import LxgitError

BRANCHES = "refs/heads/"
TAGS = "refs/tags/"
PINS = "refs/lxgit/containers/"
"""Where the refs are that keep commits for containers."""

STASH = "-stash-"
"""What stands in the name of such a ref between the container and the number of a stash."""

NOTES = "refs/notes/"
"""Where stock Git has a user's notes on commits (git-notes(1)): their commits are no images."""

CACHE = "refs/lxgit/cache/"
"""Where the refs are of what steps of builds have come to."""

DELETED = "refs/lxgit/deleted"
"""Its reflog has the last value of every branch and tag that was deleted."""

RENAMED = "refs/.tmp-renamed-log"
"""No ref, but where stock Git has the reflog of a branch while it is renamed, and named nowhere."""

LATEST = "latest"
"""`base:latest` is the branch `base`, as in Docker."""

_OTHERS = (
    BRANCHES,
    TAGS,
    "refs/remotes/",
    NOTES,
    "refs/bisect/",
    PINS,
    CACHE,
    f"{DELETED}/",
)
_LIKE_REFS = ("refs/", *(ref.removeprefix("refs/") for ref in _OTHERS))
"""What is read as a ref, whole or without its `refs/`, before any branch or tag of that name."""

_CAPITALS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ-_")
_FORBIDDEN = frozenset((*map(chr, range(0x21)), *"\x7f~^:?*[\\"))
_FORBIDDEN_PAIRS = ("..", "@{", "//")
_WHAT_TO_TAKE = (
    "take letters, digits, '-', '_', '.' and '/', and begin with a letter or digit;"
    " no '..' or '//', no '.', '.lock' or '/' at the end, and neither HEAD nor a whole id"
)
_HEX_DIGITS = "0123456789abcdefABCDEF"
_LONGEST_PART = 255 - len(".lock")  # NAME_MAX


class InvalidName(LxgitError):
    """Git takes no branch, tag or ref of that name."""


def is_valid_ref(name: str) -> bool:
    """Tell whether it is HEAD or a full name that Git allows: no other is made a path."""
    if name == "HEAD":
        return True
    try:
        parts = os.fsencode(name).split(b"/")
    except UnicodeEncodeError:  # a surrogate that stands for no byte (PEP 383)
        return False
    return (
        len(parts) > 1
        and parts[0] == b"refs"
        and _FORBIDDEN.isdisjoint(name)
        and not any(pair in name for pair in _FORBIDDEN_PAIRS)
        and not name.endswith((".", "/"))
        and not any(part.startswith(b".") or part.endswith(b".lock") for part in parts)
        and all(len(part) <= _LONGEST_PART for part in parts)
    )


def stash_number(ref: str) -> int | None:
    """The number of the stash that a ref keeps; None where it is the name of none."""
    container, _, number = ref.partition(STASH)
    is_number = number.isascii() and number.isdecimal() and not number.startswith("0")
    return int(number) if is_number and container.startswith(PINS) else None


def check_name(name: str) -> None:
    """Raise InvalidName unless `name` can be a branch or a tag: `base`, `base/v1`.

    Beyond Git's rules for refs: no leading dash, which would be an option; not HEAD or @; no name
    that is read as an id, nor one that is read as another ref, such as `heads/base`, `FETCH_HEAD`.
    """
    if not name:
        raise InvalidName("a name cannot be empty", hint=_WHAT_TO_TAKE)
    if (
        not is_valid_ref(BRANCHES + name)
        or name.startswith("-")
        or name in {"HEAD", "@"}
        or is_like_a_ref(name)
        or (len(name) in {40, 64} and not name.strip(_HEX_DIGITS))
    ):
        raise InvalidName(f"'{name}' is not a valid name", hint=_hint(name))


def is_like_a_ref(name: str) -> bool:
    """Whether `name`, a branch's or a tag's, is read as another ref: check_name takes no such."""
    return name.startswith(_LIKE_REFS) or f"refs/{name}" == DELETED or _is_root_ref(name)


def _is_root_ref(name: str) -> bool:
    """Whether Git may have a ref of its own so beside HEAD (is_root_ref of its source)."""
    return name.endswith("_HEAD") and _CAPITALS.issuperset(name)


def _hint(name: str) -> str:
    """What to take instead of a name that is refused."""
    if _is_root_ref(name):
        return "so Git names refs of its own: take another"
    if is_like_a_ref(name):
        short = _shortest(name)
        instead = f"'{short}'" if short else "another"
        return f"so begin the full names of refs: take {instead}"
    host, _, rest = name.partition("/")
    path, _, tag = rest.removesuffix(f":{LATEST}").partition(":")
    has_port = ":" in host and host.rpartition(":")[2].isdecimal()
    if has_port and is_valid_ref(f"{BRANCHES}{path}/{tag or LATEST}"):
        image = f"{path}:{tag}" if tag else path
        push = f"lxgit push {image} {host}/{path}"
        return f"a registry is named to 'push': take '{image}', then '{push}'"
    branch, colon, _ = name.partition(":")
    if colon and is_valid_ref(BRANCHES + name.replace(":", "/", 1)):
        return f"it is a tag's: take '{branch}', then 'lxgit tag {name} {branch}'"
    return _WHAT_TO_TAKE


def _shortest(name: str) -> str:
    """What is left without all that begins as a ref does; empty when that is no name either."""
    while is_like_a_ref(name):
        short = short_name("refs/" + name.removeprefix("refs/"))
        if short == name:
            return ""
        name = short
    try:
        check_name(name)
    except InvalidName:
        return ""
    return name


def image_and_tag(name: str) -> tuple[str, str]:
    """A tag as `images` has it: `base/v1` is `v1` of `base`; the image is empty for one of none.

    Nor is `base/latest`, which lxgit does not make, of `base`: `base:latest` never means it.
    """
    image, _, tag = name.rpartition("/")
    return ("", name) if tag == LATEST else (image, tag)


def short_name(name: str) -> str:
    """A full name as a user writes it: `refs/heads/base` is `base`."""
    for prefix in (BRANCHES, TAGS, "refs/remotes/", "refs/"):
        if name.startswith(prefix):
            return name[len(prefix) :]
    return name
