"""Where one raw frame ends and the next begins, in text and in gzip, and how one is shown. Pure."""

import base64
import re
import zlib
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Final

import msgspec

from spider_common.venues.bingx.session import unpacked
from spider_common.venues.outcomes import UnreadableFrame
from spider_common.venues.rows import MAX_FRAME

_GZIP: Final = b"\x1f\x8b"
_GZIP_WITH_METHOD: Final = b"\x1f\x8b\x08"
_CHUNK: Final = 1 << 12
_SHOWN: Final = 1 << 16
_SECRET: Final = ("passphrase", "listenKey")
_HEX: Final = re.compile(rb"(?i:1f8b[0-9a-f]*)")
_BASE64: Final = re.compile(rb"H4sI[0-9A-Za-z+/]*=*")
_ALONE: Final = re.compile(rb"[Pp]ing|[Pp]ong|%b|%b" % (_HEX.pattern, _BASE64.pattern))
"""A line that is a frame by itself: a heartbeat, or gzip as text."""


def frames_of(lines: Iterable[bytes]) -> Iterator[tuple[str, bytes]]:
    """The frames in what was kept of a socket, each with its place: ``line 3``, or ``frame 3`` of gzip.

    What begins as gzip does is gzip frames one after another. Anything else is text: a frame a line, or JSON
    over several lines, or a line of hex or base64 for a gzip frame.
    """
    rest = iter(lines)
    first = next(rest, b"")
    if first.startswith(_GZIP):
        members = _gzip_frames(first + b"".join(rest))
        return ((f"frame {number}", frame) for number, frame in enumerate(members, start=1))
    return ((f"line {number}", frame) for number, frame in _text_frames(chain([first], rest)))


def _text_frames(lines: Iterable[bytes]) -> Iterator[tuple[int, bytes]]:
    """Each frame with the number of its first line.

    A frame ends where its JSON is complete, or before a line that begins with ``{`` or stands alone. So a
    broken frame ends at the next one and spoils no other.
    """
    began, pending = 0, b""
    for number, line in enumerate(lines, start=1):
        if pending and (line.startswith(b"{") or _ALONE.fullmatch(line.strip())):
            yield began, pending.rstrip()
            pending = b""
        if not pending:
            began, line = number, line.lstrip()
        pending += line
        if _is_complete(pending.rstrip()):
            yield began, pending.rstrip()
            pending = b""
    if pending:
        yield began, pending.rstrip()


def _is_complete(text: bytes) -> bool:
    if _ALONE.fullmatch(text) or len(text) > MAX_FRAME:
        return True
    if not text.endswith((b"}", b"]")):
        return False
    try:
        msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return False
    return True


def _gzip_frames(content: bytes) -> Iterator[bytes]:
    """Each gzip member. A broken one ends where the next begins, as well as that can be told."""
    began = 0
    while began < len(content):
        if content[began : began + 1].isspace():  # between members
            began += 1
            continue
        ended = _end_of_member(content, began)
        if ended is None:
            following = content.find(_GZIP_WITH_METHOD, began + 1)
            ended = following if following > 0 else len(content)
        yield content[began:ended]
        began = ended


def _end_of_member(content: bytes, began: int) -> int | None:
    """Where the gzip member that begins there ends; None if it is none, is broken or is larger than any."""
    unzip = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)  # 16: with gzip's header
    for at in range(began, min(len(content), began + MAX_FRAME), _CHUNK):
        chunk = content[at : at + _CHUNK]
        try:
            unzip.decompress(chunk, MAX_FRAME)
        except zlib.error:
            return None
        if unzip.eof:
            return at + len(chunk) - len(unzip.unused_data)
        if unzip.unconsumed_tail:
            return None
    return None


def binary(frame: bytes) -> bytes:
    """The frame that a line of hex or base64 stands for; any other as it is.

    Raises:
        UnreadableFrame: a piece of the line is missing.
    """
    try:
        if _HEX.fullmatch(frame):
            return bytes.fromhex(frame.decode())
        if _BASE64.fullmatch(frame):
            return base64.b64decode(frame, validate=True)
    except ValueError as error:
        raise UnreadableFrame(f"frame: the line of hex or base64 is not whole: {error}") from error
    return frame


def shown(frame: bytes) -> str:
    """A frame for a person's eyes, its beginning if it is larger than any that a venue sends.

    One with a secret in it, as a login request has, stays hidden.
    """
    try:
        text = unpacked(binary(frame))
    except UnreadableFrame:
        text = frame.hex() if frame.startswith(_GZIP) else frame.decode(errors="backslashreplace")
    for secret in _SECRET:
        if secret in text:
            return f"(not shown: it has a {secret} in it)"
    rest = len(text) - _SHOWN
    return text[:_SHOWN] + (f" ... and {rest} characters more" if rest > 0 else "")
