"""Who one is at a registry, and how it is reached."""

from __future__ import annotations

import re

from lxgit.oci import skopeo
from lxgit.oci.reference import HUB, parse_host, split_host
from lxgit.oci.skopeo import Access

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_INDEX = "https://index.docker.io/v1/"
_LOOPBACK = re.compile(r"(localhost|127(\.[0-9]{1,3}){3}|\[::1\])(:[0-9]+)?")


def access_to(host: str, environment: Mapping[str, str], *, tls_verify: bool) -> Access:
    """How a registry, `HOST[:PORT]`, is reached: one on loopback without TLS too, as by Docker.

    `environment` has what of the caller's skopeo needs: where credentials are, and proxies.
    """
    return Access(environment, tls_verify and not is_loopback(host))


def is_loopback(host: str) -> bool:
    """Whether a registry, `HOST[:PORT]`, is on this machine, where nobody is in between."""
    return _LOOPBACK.fullmatch(host) is not None


def names_registry(name: str) -> bool:
    """Whether the name of an image says which registry it is in."""
    return split_host(name)[0] != HUB or name.startswith(f"{HUB}/")


def login(
    registry: str | None,
    user: str,
    password: str,
    environment: Mapping[str, str],
    *,
    tls_verify: bool = True,
) -> str:
    """Keep credentials where skopeo and Podman find them, once the registry accepts them; its name.

    Docker Hub's for None. BadReference, AccessDenied, RegistryFailed, MissingProgram.
    """
    host = _host(registry)
    access = access_to(host, environment, tls_verify=tls_verify)
    skopeo.login(host, user, password, access)
    return host


def logout(registry: str | None, environment: Mapping[str, str]) -> str:
    """Forget the credentials for a registry, Docker Hub's for None; its name.

    BadReference, NotLoggedIn.
    """
    host = _host(registry)
    skopeo.logout(host, Access(environment))
    return host


def _host(registry: str | None) -> str:
    """As a user has named it: Docker's index of 2013 was an address."""
    return HUB if registry is None or registry == _INDEX else parse_host(registry)
