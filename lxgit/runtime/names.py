"""Names for containers that got none: two words that are easy to say and to type."""

from __future__ import annotations

import os

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
