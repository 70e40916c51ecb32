"""zlib streams: ISA-L where it is installed (four times as fast), else the standard library.

Nothing here trusts a size that a file claims: output is never longer than what was asked for, so a
few bytes that inflate to gigabytes do no harm.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from typing import Any

codec: Any
try:
    from isal import isal_zlib as codec

    _HASTY = 0  # ISA-L's lowest level compresses, too
except ImportError:  # an architecture without a wheel
    import zlib as codec

    _HASTY = 1

InflateError: type[Exception] = codec.error
"""What a damaged stream raises."""

LEVEL = 1
"""Of compression. Git's own default is 6: 5 times the time for a tenth less."""

_SMALL = 16 << 10
_GZIP = 16 + 15  # zlib.h, deflateInit2: a gzip header, and the largest window

CHUNK = 1 << 20
"""The most bytes that a streaming reader holds of one object."""


class BadObjectData(Exception):
    """The bytes of an object are not what their header or format says. Readers add the id."""


def compress(data: bytes) -> bytes:
    """One whole zlib stream."""
    compressed: bytes = codec.compress(data, LEVEL)
    return compressed


def compress_hastily(data: bytes) -> bytes:
    """One whole zlib stream of one blob among very many.

    Level 1 clears tables first, which takes longer than compressing a small blob. Without, 38,000
    blobs take 1.7 s instead of 2.0, and 2 % more room until gc compresses them anew.
    """
    compressed: bytes = codec.compress(data, _HASTY if len(data) <= _SMALL else LEVEL)
    return compressed


def deflater() -> Any:  # noqa: ANN401  # those of zlib and of ISA-L share no type
    """A zlib.compressobj for a stream in pieces."""
    return codec.compressobj(LEVEL)


def gzipper() -> Any:  # noqa: ANN401  # as above
    """A compressobj that writes a gzip member (RFC 1952) without a name and without a time."""
    return codec.compressobj(LEVEL, codec.DEFLATED, _GZIP)


def maker() -> str:
    """What compresses, with its version: another may make other bytes of the same."""
    if codec.__name__ == "zlib":
        return f"zlib {codec.ZLIB_RUNTIME_VERSION}"
    from isal import __version__

    return f"isal {__version__}"


def inflater() -> Any:  # noqa: ANN401  # as above
    """A zlib.decompressobj."""
    return codec.decompressobj()


def gunzipper() -> Any:  # noqa: ANN401  # as above
    """A decompressobj for one member of gzip."""
    return codec.decompressobj(_GZIP)


def crc32(data: bytes, value: int = 0) -> int:
    """zlib.crc32, of the faster library."""
    checksum: int = codec.crc32(data, value)
    return checksum


def inflate(compressed: bytes | memoryview, size: int, read: Callable[[int], bytes]) -> bytes:
    """The `size` bytes of the zlib stream that begins with `compressed` and goes on in `read`.

    What follows the stream is ignored. BadObjectData when it is damaged, or has another length.
    """
    engine = codec.decompressobj()
    try:
        data: bytes = engine.decompress(compressed, size + 1)
    except InflateError as error:
        raise BadObjectData(f"damaged zlib stream: {error}") from None
    if not engine.eof and len(data) <= size:
        data = b"".join((data, *inflate_rest(engine, size - len(data), read)))
    if len(data) != size:
        raise BadObjectData("longer or shorter than its header says")
    return data


def inflate_chunks(
    compressed: bytes, size: int, read: Callable[[int], bytes], chunk: int = CHUNK
) -> Generator[bytes]:
    """Like `inflate`, in pieces of at most `chunk` bytes; a fault may show only at the last."""
    return inflate_rest(codec.decompressobj(), size, read, compressed, chunk)


def inflate_rest(
    engine: Any,  # noqa: ANN401  # as above
    left: int,
    read: Callable[[int], bytes],
    compressed: bytes = b"",
    chunk: int = CHUNK,
) -> Generator[bytes]:
    """The last `left` bytes of a stream that `engine` has begun, in pieces.

    The end of the stream is checked before the last piece is given.
    """
    held = b""
    while not engine.eof:
        if left < 0:
            raise BadObjectData("longer than its header says")
        compressed = compressed or engine.unconsumed_tail or read(min(chunk, left) // 2 + 512)
        try:
            data = engine.decompress(compressed, min(chunk, left + 1))
        except InflateError as error:
            raise BadObjectData(f"damaged zlib stream: {error}") from None
        if not (compressed or data or engine.eof):  # without input, it gave what it had held back
            raise BadObjectData("ends too early")
        compressed = b""
        left -= len(data)
        if data:
            if held:
                yield held
            held = data
    if left:
        raise BadObjectData("longer or shorter than its header says")
    if held:
        yield held
