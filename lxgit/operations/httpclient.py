"""HTTP and HTTPS and no other scheme, by the proxies that the caller names; words for faults."""

from __future__ import annotations

import ssl
import urllib.error
import urllib.request
from urllib.parse import urlsplit

from lxgit import __version__
from lxgit.errors import LxgitError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from http.client import HTTPMessage
    from typing import IO

USER_AGENT = f"lxgit/{__version__}"
TIMEOUT = 30.0
"""Seconds without a byte."""

_SCHEMES = ("http", "https")


class DownloadFailed(LxgitError):
    """The file cannot be had from there, or not now."""


def make_opener(
    proxies: Mapping[str, str], *, tls_verify: bool = True
) -> urllib.request.OpenerDirector:
    """One that knows two schemes and no other, and no proxies but these.

    Without `tls_verify` it takes any certificate.
    """
    tls = ssl.create_default_context()
    if not tls_verify:
        tls.check_hostname = False
        tls.verify_mode = ssl.CERT_NONE
    made = urllib.request.OpenerDirector()
    for handler in (
        _Proxies(proxies),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(context=tls),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        _Redirects(),
    ):
        made.add_handler(handler)
    return made


class _Proxies(urllib.request.ProxyHandler):
    """Proxies by the variables `http_proxy`, `https_proxy` and `no_proxy`, whatever their case."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        # As in curl, `HTTP_PROXY` does not count: a web server sets it from a request's header.
        chosen = {name.lower(): value for name, value in variables.items() if name != "HTTP_PROXY"}
        super().__init__(
            {one: chosen[f"{one}_proxy"] for one in _SCHEMES if chosen.get(f"{one}_proxy")}
        )
        self._direct = [name.strip().lstrip(".") for name in chosen.get("no_proxy", "").split(",")]

    def proxy_open(self, req: urllib.request.Request, proxy: str, type: str) -> object:  # noqa: A002
        host = (req.host or "").rpartition("@")[2].partition(":")[0]
        if any(name == "*" or f".{host}".endswith(f".{name}") for name in self._direct if name):
            return None
        return super().proxy_open(req, proxy, type)


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Goes on to http(s) alone, and from https to https."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        scheme = urlsplit(newurl).scheme
        if scheme not in _SCHEMES or (req.type == "https" and scheme != "https"):
            raise DownloadFailed(f"'{req.full_url}' leads to '{newurl}', which is not as safe")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def reason_of(error: object) -> str:
    """What went wrong, in one line."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {error.verify_message}"
    if isinstance(error, TimeoutError):
        return f"no answer for {TIMEOUT:.0f} seconds"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return one_line(error) or type(error).__name__


def one_line(said: object) -> str:
    """What a server has said, or the library of it, without its newlines."""
    return " ".join(str(said).split())


def hint_of(error: object) -> str | None:
    """What may help where something went wrong."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return "SSL_CERT_FILE names more authorities; --sha256 does not make up for one"
    if isinstance(error, urllib.error.HTTPError):
        return "see whether a browser finds it there"
    return "see whether the address is right, and whether a proxy is needed"
