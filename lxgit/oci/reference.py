"""References: how an image in a registry is written, and what it is called here.

    [HOST[:PORT]/]PATH[:TAG][@DIGEST]

As Docker has it (distribution/reference): what comes before the first slash is a host when it has a
dot, a colon or a capital, or is `localhost`; without one it is docker.io, and there a PATH of one
word is below `library/`. The name here has neither of the two, but where it would be read as a ref
without the host: `docker.io/tags/web`.
"""

from __future__ import annotations

import re

from lxgit.errors import LxgitError
from lxgit.objects.refnames import is_like_a_ref
from lxgit.tuples import NamedTuple

HUB = "docker.io"

_LATEST = "latest"
_WORD = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_PATH = re.compile(rf"{_WORD}(?:/{_WORD})*")
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_HOST = re.compile(rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[0-9a-fA-F:]+\])(?::[0-9]{{1,5}})?")
_PORT = re.compile(r":[0-9]+$")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}")
_ID = re.compile(r"[0-9a-f]{64}")
_LONGEST = 255  # of a host and a path together


class BadReference(LxgitError):
    """What is no name of an image in a registry."""


class Reference(NamedTuple):
    """An image in a registry; `tag` and `digest` are empty where there is none."""

    host: str
    path: str
    tag: str = ""
    digest: str = ""

    def __str__(self) -> str:
        """Written out, host and tag included."""
        return f"{self.host}/{self.path}{self.which}"

    @property
    def which(self) -> str:
        """Which of the images of that path: its digest, or its tag."""
        if self.digest:
            return f"@{self.digest}"
        return f":{self.tag or _LATEST}"

    @property
    def local_name(self) -> str:
        """What the image is called here: NAME for the latest, else NAME:TAG.

        One that only its digest names has the first of its digits for a tag.
        """
        name = self.path.removeprefix("library/") if self.host == HUB else self.path
        tag = self.tag
        if not tag and self.digest:
            kind, _, digits = self.digest.partition(":")
            tag = f"{kind}-{digits[:12]}"
        local = name if tag in ("", _LATEST) else f"{name}:{tag}"
        if is_like_a_ref(local.replace(":", "/")):
            return f"{_PORT.sub('', self.host)}/{local}"
        return local


def parse_reference(text: str) -> Reference:
    """The reference that a user wrote. BadReference."""
    named, at, digest = text.partition("@")
    if at and not _DIGEST.fullmatch(digest):
        raise _bad(text, f"'{digest[:80]}' is no digest")
    host, rest = split_host(named)
    path, colon, tag = rest.partition(":")
    if colon and not _TAG.fullmatch(tag):
        raise _bad(text, f"'{tag[:80]}' is no tag")
    if not _PATH.fullmatch(path) or _ID.fullmatch(path) or len(host) + len(path) >= _LONGEST:
        raise _bad(text, "its path is of small letters and digits, with '.', '_', '-' between")
    if host == HUB and "/" not in path:
        path = f"library/{path}"
    return Reference(host, path, tag, digest)


def split_host(text: str) -> tuple[str, str]:
    """The registry that a name begins with, Docker Hub for none, and the rest. BadReference."""
    host, slash, rest = text.partition("/")
    return (parse_host(host), rest) if slash and _is_host(host) else (HUB, text)


def parse_host(text: str) -> str:
    """The registry that a user wrote, `HOST[:PORT]`; Docker Hub has several. BadReference."""
    if not _HOST.fullmatch(text):
        raise BadReference(f"'{text[:80]}' is no host", hint="HOST[:PORT]: localhost:5000")
    return HUB if text in ("index.docker.io", "registry-1.docker.io") else text


def _is_host(word: str) -> bool:
    return word == "localhost" or word != word.lower() or "." in word or ":" in word


def _bad(text: str, why: str) -> BadReference:
    return BadReference(
        f"'{text[:120]}' names no image in a registry: {why}",
        hint="[HOST[:PORT]/]PATH[:TAG]: debian, debian:trixie, localhost:5000/team/app:v1",
    )
