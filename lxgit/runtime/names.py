"""Names of containers: which one may have, and one for those that got none.

That is two words which are easy to say and to type.
"""

from __future__ import annotations

import os

from lxgit.errors import LxgitError
from lxgit.runtime.index import is_id, is_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Container

_ADJECTIVES = (  # noqa: SIM905 - words in a row are read more easily
    """
    able agile amber ample azure bold brave bright brisk calm candid clever cosmic crisp
    curious daring deft eager early easy fair fleet fluent fond frank gentle glad golden grand
    happy hardy honest humble jolly keen kind lively loyal lucid lucky mellow merry mild
    modest neat nimble noble patient placid plucky polite prime proud quick quiet ready robust
    serene sharp shiny silent sincere sleek smart snug solid spry steady sturdy subtle sunny
    swift tidy tranquil upbeat valiant vivid warm wise witty zesty
    """
).split()
_SURNAMES = (  # noqa: SIM905
    """
    abel babbage backus banach bardeen bell berners bohr boole borg brahmagupta cantor carson
    cauchy cerf chandrasekhar church clarke codd cori curie darwin dijkstra dirac easley
    einstein elion engelbart euclid euler faraday fermat fermi feynman floyd franklin galileo
    galois gauss goodall gray hamilton hawking hertz hilbert hodgkin hoover hopper hypatia
    jackson jemison johnson kapitsa keller kepler khayyam khorana kilby knuth kowalevski
    lamarr lamport leakey liskov lovelace mccarthy mcclintock meitner mendel milner minsky
    mirzakhani morse nash neumann newton nobel noether pascal pasteur payne perlman pike
    planck poincare ramanujan raman ride ritchie rosalind sammet shannon sinoussi sutherland
    swartz tesla thompson torvalds turing villani wescoff wiles wing wozniak wright yalow
    yonath zhukovsky
    """
).split()


class InvalidContainerName(LxgitError):
    """A name with characters that a container's cannot have."""


def check_name(name: str) -> None:
    """Raise InvalidContainerName unless `name` can be a container's."""
    if not is_name(name):
        raise InvalidContainerName(
            f"'{name}' cannot be the name of a container",
            hint="letters, digits, and after the first also '_', '.' and '-'; 128 at most",
        )
    if is_id(name):
        raise InvalidContainerName(f"'{name}' looks like a container's id", hint="take another")


def unused_name(taken: Container[str]) -> str:
    """A name such as `keen_noether` that is not in `taken`."""
    while True:
        draw = int.from_bytes(os.urandom(8), "little")
        adjective = _ADJECTIVES[draw % len(_ADJECTIVES)]
        name = f"{adjective}_{_SURNAMES[(draw >> 32) % len(_SURNAMES)]}"
        if name not in taken:
            return name
        name += f"_{draw >> 56:02x}"
        if name not in taken:
            return name
