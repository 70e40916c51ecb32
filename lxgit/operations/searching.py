"""`search`: what images a registry has. All that it answers comes from a stranger.

Docker Hub's index is asked as in 2013, `/v1/search?q=…&n=…`, and so is any other registry; one that
has no such thing for the list of all its images, `/v2/_catalog` (distribution-spec), page by page.
"""

from __future__ import annotations

import http.client
import json
import re
import time
import urllib.error
import urllib.request
from heapq import nsmallest
from urllib.parse import urlencode, urlsplit

from lxgit.errors import LxgitError
from lxgit.oci.authfile import basic_credentials
from lxgit.oci.reference import HUB, split_host
from lxgit.operations.httpclient import TIMEOUT, USER_AGENT, make_opener, one_line, reason_of
from lxgit.operations.registries import is_loopback
from lxgit.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_INDEX = "https://index.docker.io"
_CATALOGUE = "/v2/_catalog"
_MOST_SAID = 4 << 20  # bytes of one answer
_CHUNK = 1 << 16
_MOST_PAGES = 1000
_PAGE = 1000  # names
_WITHIN = 60.0  # seconds for all of it
_NEXT = re.compile(r'<([^<>]{1,4096})>\s*;\s*rel="?next"?')


class SearchFailed(LxgitError):
    """The registry cannot be searched, or not now."""


class Found(NamedTuple):
    """An image in a registry."""

    name: str
    description: str = ""
    stars: int = 0
    official: bool = False
    automated: bool = False


def search(
    term: str,
    *,
    limit: int,
    tls_verify: bool = True,
    environment: Mapping[str, str],
) -> list[Found]:
    """The images that a registry finds for a word, `limit` at most: `WORD` or `HOST[:PORT]/WORD`.

    `environment` says of proxies and credentials, as for skopeo. BadReference, SearchFailed.
    """
    host, word = split_host(term)
    if host == HUB:
        return _Registry(HUB, [_INDEX], environment).index(word, limit)
    near = is_loopback(host)
    addresses = [f"https://{host}"]
    if near or not tls_verify:
        addresses.append(f"http://{host}")
    registry = _Registry(
        host,
        addresses,
        {} if near else environment,
        tls_verify=tls_verify and not near,
        credentials=basic_credentials(host, environment),
    )
    found = registry.index_or_nothing(word, limit) if word else None
    if found is None:
        found = [
            Found(name)
            for name in nsmallest(limit, (one for one in registry.catalogue() if word in one))
        ]
    return [each._replace(name=f"{host}/{each.name}") for each in found[:limit]]


class _Refused(SearchFailed):
    """The registry knows no such question, or does not answer it."""


class _Registry:
    """One that is asked at the first of some addresses where anybody speaks HTTP."""

    def __init__(
        self,
        host: str,
        addresses: list[str],
        proxies: Mapping[str, str],
        *,
        tls_verify: bool = True,
        credentials: str | None = None,
    ) -> None:
        self._host = host
        self._addresses = addresses
        self._credentials = credentials
        self._opener = make_opener(proxies, tls_verify=tls_verify)
        self._end = time.monotonic() + _WITHIN

    def index(self, word: str, limit: int) -> list[Found]:
        """What its index finds, the most fitting first."""
        answer, _ = self._ask(f"/v1/search?{_query(word, limit)}")
        results = answer.get("results") if isinstance(answer, dict) else None
        if not isinstance(results, list):
            raise self._nonsense()
        return [self._result(each) for each in results[:limit]]

    def index_or_nothing(self, word: str, limit: int) -> list[Found] | None:
        """The same; None where there is no index that answers."""
        try:
            return self.index(word, limit)
        except _Refused:
            return None

    def _result(self, each: object) -> Found:
        if not isinstance(each, dict) or not isinstance(each.get("name"), str):
            raise self._nonsense()
        description, stars = each.get("description"), each.get("star_count")
        return Found(
            each["name"],
            description if isinstance(description, str) else "",
            stars if isinstance(stars, int) else 0,
            each.get("is_official") is True,
            each.get("is_automated") is True,
        )

    def catalogue(self) -> Iterator[str]:
        """The names of all its images."""
        path: str | None = f"{_CATALOGUE}?n={_PAGE}"
        for _ in range(_MOST_PAGES):
            if path is None:
                return
            answer, path = self._ask(path)
            names = answer.get("repositories") if isinstance(answer, dict) else None
            if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
                raise self._nonsense()
            yield from names
        raise SearchFailed(f"'{self._host}' lists images without end")

    def _ask(self, path: str) -> tuple[object, str | None]:
        """The JSON of an answer, and the path at which it goes on."""
        try:
            with self._open(path) as response:
                data = self._read(response)
                return json.loads(data), _next_path(response.headers.get("Link", ""))
        except urllib.error.HTTPError as error:
            error.close()
            raise self._refusal(error) from None
        except (OSError, http.client.HTTPException) as error:
            why = error.reason if isinstance(error, urllib.error.URLError) else error
            raise SearchFailed(
                f"'{self._host}' cannot be searched: {reason_of(why)}",
                hint="see whether the address is right, and whether a proxy is needed",
            ) from None
        except (ValueError, RecursionError):
            raise self._nonsense() from None

    def _open(self, path: str) -> http.client.HTTPResponse:
        """The answer of the first address that speaks HTTP: it is the one from then on."""
        while True:
            request = urllib.request.Request(  # noqa: S310 - the addresses are http(s)
                self._addresses[0] + path,
                headers={"User-Agent": USER_AGENT, "Accept": "application/json"},
            )
            if self._credentials is not None:
                request.add_unredirected_header("Authorization", f"Basic {self._credentials}")
            try:
                response: http.client.HTTPResponse = self._opener.open(
                    request, timeout=self._left()
                )
            except urllib.error.HTTPError:
                raise
            except (OSError, http.client.HTTPException):
                if len(self._addresses) == 1:
                    raise
                del self._addresses[0]
            else:
                return response

    def _left(self) -> float:
        """Seconds that the next bytes may take to come; TimeoutError."""
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return min(left, TIMEOUT)

    def _read(self, response: http.client.HTTPResponse) -> bytes:
        data = bytearray()
        while more := response.read1(_CHUNK):
            data += more
            self._left()
            if len(data) > _MOST_SAID:
                raise SearchFailed(f"'{self._host}' answers with over {_MOST_SAID >> 20} MiB")
        return bytes(data)

    def _refusal(self, error: urllib.error.HTTPError) -> SearchFailed:
        hint = "not every registry can be searched"
        if error.code in (http.client.UNAUTHORIZED, http.client.FORBIDDEN):
            hint = f"'lxgit login {self._host}' says who you are"
        return _Refused(f"'{self._host}': {error.code} {one_line(error.reason)}", hint=hint)

    def _nonsense(self) -> SearchFailed:
        return _Refused(
            f"'{self._host}' answers with what is no list of images",
            hint="see whether it is a registry",
        )


def _query(word: str, limit: int) -> str:
    return urlencode({"q": word, "n": limit}, errors="surrogateescape")


def _next_path(link: str) -> str | None:
    """Where a list goes on, by its `Link`, of which only the question counts: not another host."""
    match = _NEXT.search(link)
    query = urlsplit(match[1]).query if match is not None else ""
    return f"{_CATALOGUE}?{query}" if query else None
