"""A picture of what tasks did, in the Trace Event format that Perfetto and Chrome open. PURE.

The tasks of one owner's nurseries are a group, each task a track, each step a slice, each handover an arrow.
A slice is called what its task said it works on, and an arrow leads from each slice to the next one of the
same name, whichever service that is in: an order is followed from socket to venue.

Format: https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

_US: Final = 1_000
_ARROWS: Final = "handover"
_WORK: Final = "work"


class Slice(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """A step, and what it was for. Times are ns of a clock that all recordings of one picture share."""

    task: int
    began: int
    ended: int
    marks: tuple[str, ...] = ()


class Arrow(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """A task made another one runnable."""

    by: int
    to: int
    at: int


class Track(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """A task, and the one whose nursery it is in; 0: none that is known."""

    number: int
    name: str
    parent: int


class Recording(msgspec.Struct, frozen=True, kw_only=True):
    """What one service did for a while. `forgotten`: what was noted and had no room."""

    service: str
    tracks: Sequence[Track]
    slices: Sequence[Slice]
    arrows: Sequence[Arrow]
    forgotten: int = 0


def trace(recordings: Sequence[Recording]) -> dict[str, Any]:
    """The recordings of services that shared a clock, as one trace."""
    events: list[dict[str, Any]] = []
    base = 0
    named: dict[str, list[tuple[int, int, int]]] = defaultdict(list)
    for recording in recordings:
        groups = _groups(recording, base)
        base += len(set(groups.values())) + 1
        events += _tracks(recording, groups)
        events += _slices(recording, groups)
        events += _handovers(recording, groups, first=len(events))
        for each in recording.slices:
            for mark in each.marks:
                named[mark].append((each.began, groups[each.task], each.task))
    events += _ways(named)
    forgotten = {recording.service: recording.forgotten for recording in recordings}
    return {"traceEvents": events, "displayTimeUnit": "ms", "otherData": {"forgotten": forgotten}}


def _groups(recording: Recording, base: int) -> Mapping[int, int]:
    """Task -> its group: that of its nursery's owner. The format calls groups processes."""
    owners = sorted({track.parent for track in recording.tracks})
    numbers = {owner: base + place for place, owner in enumerate(owners, 1)}
    return {track.number: numbers[track.parent] for track in recording.tracks}


def _tracks(recording: Recording, groups: Mapping[int, int]) -> Iterator[dict[str, Any]]:
    names = {track.number: track.name for track in recording.tracks}
    told: set[int] = set()
    for track in recording.tracks:
        group = groups[track.number]
        if group not in told:
            told.add(group)
            owner = names.get(track.parent, "run")
            yield _meta("process_name", group, 0, f"{recording.service}: {owner}")
        yield _meta("thread_name", group, track.number, track.name)


def _meta(what: str, group: int, track: int, name: str) -> dict[str, Any]:
    return {"ph": "M", "name": what, "pid": group, "tid": track, "args": {"name": name}}


def _slices(recording: Recording, groups: Mapping[int, int]) -> Iterator[dict[str, Any]]:
    names = {track.number: track.name for track in recording.tracks}
    for each in recording.slices:
        yield {
            "ph": "X",
            "name": each.marks[0] if each.marks else names[each.task],
            "cat": recording.service,
            "pid": groups[each.task],
            "tid": each.task,
            "ts": each.began / _US,
            "dur": (each.ended - each.began) / _US,
            "args": {"for": list(each.marks)} if each.marks else {},
        }


def _handovers(recording: Recording, groups: Mapping[int, int], first: int) -> Iterator[dict[str, Any]]:
    begins: dict[int, list[int]] = defaultdict(list)
    for each in recording.slices:
        begins[each.task].append(each.began)
    places = dict.fromkeys(begins, 0)
    for number, arrow in enumerate(sorted(recording.arrows, key=lambda each: each.at), first):
        starts, place = begins.get(arrow.to, []), places.get(arrow.to, 0)
        while place < len(starts) and starts[place] < arrow.at:
            place += 1
        places[arrow.to] = place
        if arrow.by in groups and place < len(starts):
            yield _end("s", _ARROWS, number, groups[arrow.by], arrow.by, arrow.at)
            yield _end("f", _ARROWS, number, groups[arrow.to], arrow.to, starts[place])


def _ways(named: Mapping[str, list[tuple[int, int, int]]]) -> Iterator[dict[str, Any]]:
    for mark, places in named.items():
        for place, (began, group, task) in enumerate(sorted(places)):
            if len(places) > 1:
                phase = "s" if place == 0 else "f" if place == len(places) - 1 else "t"
                yield _end(phase, _WORK, mark, group, task, began)


def _end(phase: str, kind: str, number: int | str, group: int, track: int, at: int) -> dict[str, Any]:
    where = {"ph": phase, "name": kind, "cat": kind, "id": number, "pid": group, "tid": track, "ts": at / _US}
    return where | ({"bp": "e"} if phase == "f" else {})
