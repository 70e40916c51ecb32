"""Registries, through skopeo(1): the one module that knows it.

It knows TLS, credentials (containers-auth.json(5)), mirrors and insecure registries
(containers-registries.conf(5)), and checks what it copies against its digests. What it reads and
writes here is an OCI image layout.
"""

from __future__ import annotations

import json
import os
import re
import resource
import shutil
import subprocess
import time
from contextlib import contextmanager, suppress
from functools import partial

from lxgit.errors import FREE_SPACE, LxgitError
from lxgit.objects.tarsource import MissingProgram
from lxgit.processes import die_with_parent
from lxgit.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from lxgit.oci.reference import Reference

_PATH = "/usr/local/bin:/usr/bin:/bin"
ANSWER_WITHIN = 30
"""Seconds for a question, which is a few requests of some kilobytes."""

_STALLED = 60.0  # seconds in which nothing comes of an image
_DIGESTING = 300.0  # seconds for a registry that has a blob and puts it where it keeps them
_POLL = 0.02
_MOST_SAID = 1 << 16
_OWN = 64 << 20  # bytes of a file that skopeo may write for itself: what it knows of blobs
_MOST_ANSWERED = 4 << 20  # bytes; what registries take for a manifest (distribution-spec)


class RegistryFailed(LxgitError):
    """A registry cannot be used, or not now."""


class NoSuchImage(LxgitError):
    """The registry has no such image, as far as it tells."""


class Unreachable(RegistryFailed):
    """There is no way to the registry, or nobody there."""


class BlobWanted(LxgitError):
    """The registry lacks a blob that is to be sent and is not in the layout."""


class AccessDenied(LxgitError):
    """The registry wants somebody else, or to know who it is."""


class NotLoggedIn(LxgitError):
    """There are no credentials to forget."""


class Access(NamedTuple):
    """How registries are reached.

    `environment` is what of the caller's skopeo needs: where credentials are, and proxies. Without
    `tls_verify` a registry may have any certificate, or none.
    """

    environment: Mapping[str, str]
    tls_verify: bool = True


class Copy:
    """A copy under way."""

    def __init__(self, process: subprocess.Popen[bytes], said: int, host: str) -> None:
        self._process = process
        self._said = said
        self._host = host

    def ended(self, within: float = 0) -> bool:
        """Whether it is complete, after so many seconds at most. Errors as of `receiving`."""
        try:
            code = self._process.wait(within)
        except subprocess.TimeoutExpired:
            return False
        if code != 0:
            raise _failure(os.pread(self._said, _MOST_SAID, 0), self._host)
        return True

    def wait(
        self,
        enough: Callable[[], bool],
        amount: Callable[[], int],
        heard: Callable[[int], None],
        patience: float = _STALLED,
    ) -> None:
        """Wait until it is complete, or `enough` of it is there.

        `amount` says how many bytes have come, `heard` hears how many more. RegistryFailed when
        none come for so many seconds.
        """
        before, since = amount(), time.monotonic()
        while not enough() and not self.ended(_POLL):
            now = amount()
            if now != before:
                heard(now - before)
                before, since = now, time.monotonic()
            elif time.monotonic() - since > patience:
                raise RegistryFailed(
                    f"'{self._host}' has done nothing for {patience:.0f} seconds", hint="try again"
                )

    def sent(self) -> int:
        """Bytes that have been written so far, to whatever."""
        with suppress(OSError, ValueError), open(f"/proc/{self._process.pid}/io") as file:
            return int(file.read().partition("wchar:")[2].split()[0])
        return int(time.monotonic())  # a kernel that does not count: nothing shows that it stalls


def manifest(reference: Reference, access: Access, *, within: int = ANSWER_WITHIN) -> bytes:
    """The manifest or index that a reference stands for, as the registry has it.

    It has so many seconds to answer. NoSuchImage, AccessDenied, RegistryFailed, MissingProgram.
    """
    return _ask(["inspect", "--raw", f"docker://{reference}"], reference, access, within)


def config(reference: Reference, access: Access) -> bytes:
    """The config of an image, as the registry has it. Errors as of `manifest`."""
    return _ask(["inspect", "--raw", "--config", f"docker://{reference}"], reference, access)


def tags(reference: Reference, access: Access) -> list[str]:
    """The tags of a reference's path, as the registry has them. Errors as of `manifest`."""
    place = f"docker://{reference.host}/{reference.path}"
    found: list[str] | None = json.loads(_ask(["list-tags", place], reference, access))["Tags"]
    return found or []


@contextmanager
def receiving(reference: Reference, layout: Path, access: Access, largest: int) -> Iterator[Copy]:
    """Copy an image into an OCI image layout, beside which it may write what is unfinished.

    Blobs that are in the layout already are not fetched. No file grows beyond the bytes of the
    `largest` blob, or 64 MiB, whether anybody waits for it or not. The copy ends with the context.
    Errors as of `manifest`, told by the `Copy`.
    """
    words = ["copy", "--quiet", "--retry-times", "2", "--dest-oci-accept-uncompressed-layers"]
    if not access.tls_verify:
        words.append("--src-tls-verify=false")
    words += [f"docker://{reference}", f"oci:{layout.name}"]
    with _copying(words, layout, reference.host, access, max(largest, _OWN)) as copy:
        yield copy


def send(layout: Path, reference: Reference, access: Access, heard: Callable[[int], None]) -> str:
    """Copy the only image of an OCI image layout to a registry; the digest that it has there.

    Blobs that are there already are not sent, and may be missing here. `heard` hears how many bytes
    more have been. BlobWanted; errors as of `manifest`.
    """
    digest = layout.with_name(f"{layout.name}.digest")
    # The host's policy is for what comes; this was made here.
    words = ["--insecure-policy", "copy", "--quiet", "--retry-times", "2"]
    words.append(f"--digestfile={digest.name}")
    if not access.tls_verify:
        words.append("--dest-tls-verify=false")
    words += [f"oci:{layout.name}", f"docker://{reference}"]
    with _copying(words, layout, reference.host, access) as copy:
        try:
            copy.wait(lambda: False, copy.sent, heard, _DIGESTING)
        except NoSuchImage:
            raise RegistryFailed(
                f"'{reference.host}' has no place for {reference}", hint=ODD
            ) from None
    return digest.read_text("ascii").strip()


def login(host: str, user: str, password: str, access: Access) -> None:
    """Keep credentials for a registry, once it has accepted them. Errors as of `manifest`."""
    words = ["login", "--username", user, "--password-stdin", *_tls(access), host]
    _run(words, host, access, given=password.encode("utf-8", "surrogateescape"))


def logout(host: str, access: Access) -> None:
    """Forget the credentials for a registry. NotLoggedIn."""
    try:
        _run(["logout", host], host, access)
    except RegistryFailed as error:
        if "not logged in" in error.message:
            raise NotLoggedIn(f"nobody is logged in to '{host}'") from None
        raise


def _tls(access: Access) -> list[str]:
    return [] if access.tls_verify else ["--tls-verify=false"]


def _ask(
    words: Sequence[str], reference: Reference, access: Access, within: int = ANSWER_WITHIN
) -> bytes:
    options = [*words[:-1], *_tls(access), words[-1]]
    answer = _run(options, reference.host, access, within=within)
    if len(answer) > _MOST_ANSWERED:
        raise RegistryFailed(f"'{reference.host}' answers with over 4 MiB about {reference}")
    return answer


def _run(
    words: Sequence[str],
    host: str,
    access: Access,
    given: bytes = b"",
    within: int = ANSWER_WITHIN,
) -> bytes:
    command = [_program(), f"--command-timeout={within}s", *words]
    try:
        done = subprocess.run(
            command,
            input=given,
            capture_output=True,
            env=_environment(access),
            timeout=within + 5,
            check=False,
            preexec_fn=partial(die_with_parent, os.getpid()),  # there are no threads here
        )
    except subprocess.TimeoutExpired:
        raise _failure(b"context deadline exceeded", host) from None
    if done.returncode != 0:
        raise _failure(done.stderr, host)
    return done.stdout


@contextmanager
def _copying(
    words: Sequence[str],
    layout: Path,
    host: str,
    access: Access,
    largest: int | None = None,
) -> Iterator[Copy]:
    """Skopeo running beside the layout: a path with a colon in it has no place in its arguments.

    It writes no file that has more than `largest` bytes.
    """
    parent = os.getpid()

    def begin() -> None:
        die_with_parent(parent)  # or it goes on with what nobody waits for
        allowed = resource.getrlimit(resource.RLIMIT_FSIZE)[0]
        if largest is not None and (allowed == resource.RLIM_INFINITY or largest < allowed):
            resource.setrlimit(resource.RLIMIT_FSIZE, (largest, largest))

    said = os.memfd_create("skopeo", os.MFD_CLOEXEC)
    process = None
    try:
        process = subprocess.Popen(
            [_program(), f"--tmpdir={layout.parent}", *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=said,
            cwd=layout.parent,
            env=_environment(access),
            preexec_fn=begin,  # noqa: PLW1509  # there are no threads here
        )
        yield Copy(process, said, host)
    finally:
        if process is not None:
            process.kill()
            process.wait()
        os.close(said)


def _program() -> str:
    found = shutil.which("skopeo", path=_PATH)
    if found is None:
        raise MissingProgram(
            "skopeo, which talks to registries, is not installed", hint="apt install skopeo"
        )
    return found


def _environment(access: Access) -> dict[str, str]:
    return {"PATH": _PATH, **access.environment, "LC_ALL": "C.UTF-8"}


def _failure(said: bytes, host: str) -> LxgitError:
    """The error for what skopeo said on its way out."""
    why = _reason(said.decode(errors="replace"))
    for pattern, kind, message, hint in _KNOWN:
        if re.search(pattern, why, re.IGNORECASE):
            return kind(message.format(host=host, why=why), hint=hint.format(host=host))
    return RegistryFailed(f"'{host}': {why}", hint=ODD)


_LOGIN = "'lxgit login {host}' says who you are"
ODD = "see whether that is a registry, and try again"
_REACH = "see that the network and the name are right; HTTPS_PROXY says a way through"
_KNOWN: tuple[tuple[str, type[LxgitError], str, str], ...] = (
    (r"^Source image rejected: ", RegistryFailed, "'{host}': {why}",
     "~/.config/containers/policy.json, or else /etc/containers/policy.json, says what may come"),
    (r": permission denied$", RegistryFailed, "skopeo may not do that: {why}",
     "see whose that file or directory is"),
    (r"^invalid reference format", RegistryFailed, "skopeo takes no address like '{host}'",
     "a name that has it will do: see hosts(5)"),
    (r"reading blob sha256:[0-9a-f]{64}: open \S+: no such file", BlobWanted,
     "'{host}' lacks a layer", ODD),
    (r"manifest unknown|name (?:unknown|not known)|not found|\b404\b", NoSuchImage,
     "'{host}' has no such image ({why})", "'lxgit search WORD' finds some of Docker Hub's"),
    (r"HTTP response to HTTPS client", RegistryFailed,
     "'{host}' speaks no TLS", "--tls-verify=false does without"),
    (r"x509: |tls: ", RegistryFailed, "the certificate of '{host}' is not to be trusted: {why}",
     "/etc/containers/certs.d/{host}/ca.crt says whose is; --tls-verify=false takes any"),
    (r"toomanyrequests|\b429\b", AccessDenied, "'{host}' has had too many requests from here",
     "wait; or 'lxgit login {host}'"),
    (r"unauthorized|authentication required|invalid username/password|denied|\b40[13]\b",
     AccessDenied, "'{host}' refuses that, or has no such image: {why}", _LOGIN),
    (r"no such host|lookup |unreachable|refused|timeout|deadline exceeded|no route|reset by peer",
     Unreachable, "'{host}' cannot be reached: {why}", _REACH),
    (r"file too large", RegistryFailed, "'{host}' sends more of a layer than it said", ODD),
    (r"no space left|quota exceeded", RegistryFailed, "the disk is full", FREE_SPACE),
)  # fmt: skip
"""What skopeo says, and what it means; the first that fits."""

_PREFIX = re.compile(
    r"^(?:Error parsing image name \"[^\"]*\": "
    r"|initializing (?:source|destination) \S+: |pinging container registry \S+: "
    r"|(?:Get|Post|Put|Head|Patch) \\?\"[^\"]*\": |reading manifest \S+ in (?=\S+: )"
    r"|authenticating creds for \S+: |logging into \S+: |trying to reuse blob \S+ at destination: )"
)


def _reason(text: str) -> str:
    """What went wrong, without the way there; on one line, and no longer than one can read."""
    lines = [line for line in text.splitlines() if line.strip()]
    last = next((line for line in reversed(lines) if "level=fatal" in line), "".join(lines[-1:]))
    _, _, said = last.partition('msg="')
    message = said[:-1].replace('\\"', '"').replace("\\\\", "\\")
    why = message if said.endswith('"') else last
    while shorter := _PREFIX.sub("", why, count=1):
        if shorter == why:
            break
        why = shorter
    printable = "".join(letter if letter.isprintable() else "?" for letter in why)
    return printable[:300] or "skopeo failed"
