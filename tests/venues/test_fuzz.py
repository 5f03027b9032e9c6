"""Mutated frames of every venue: a quick number of what `make fuzz` reads by the hundred thousand."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.venues.bench import DIALECTS, Dialect
from tests.venues.fuzz import Reader, mutate, run

dialects = pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.venue)


@dialects
@settings(max_examples=150)
@given(rng=st.randoms(use_true_random=False), data=st.data())
def test_a_mutated_frame_is_understood_or_kept(
    dialect: Dialect, rng: random.Random, data: st.DataObject
) -> None:
    """Nothing is raised; a frame that cannot be read is kept whole, counted, with what is wrong."""
    reader = Reader(dialect, 1)
    frame = mutate(rng, data.draw(st.sampled_from(reader.frames)))
    reader.read(frame)
    assert reader.counts.total() == 1


@dialects
def test_a_run_meets_every_kind(dialect: Dialect) -> None:
    """Otherwise it would prove little: mutations leave some frames readable and break some."""
    lines: list[str] = []
    assert run(dialect, 1_500, 7, lines.append)
    (line,) = lines
    assert line.startswith(f"{dialect.venue}: 1500 frames: ")
    for kind in ("told", "unreadable", "control"):
        assert f"{kind} " in line


@dialects
def test_an_unmutated_frame_is_never_unreadable(dialect: Dialect) -> None:
    """What the simulated venue says is read without exception, so that what is counted is the mutations'."""
    reader = Reader(dialect, 1)
    for frame in reader.frames:
        reader.read(frame)
    assert "unreadable" not in reader.counts
