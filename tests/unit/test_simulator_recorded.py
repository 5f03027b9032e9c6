"""The recorded OKX pushes."""

import msgspec
import pytest

from services.simulator.okx import recorded


@pytest.mark.parametrize("name", recorded.names())
def test_each_recorded_push_has_the_documented_fields(name):
    """A variation has every field of the documented sample, no other, and the same types."""
    sample = msgspec.json.decode(recorded.read("spot_filled"))["data"][0]
    (row,) = msgspec.json.decode(recorded.read(name))["data"]
    assert {key: type(value) for key, value in row.items()} == {k: type(v) for k, v in sample.items()}


def test_every_state_is_recorded():
    """Live, amended, in part, whole, cancelled, liquidated; with and without a trade id."""
    rows = [msgspec.json.decode(recorded.read(name))["data"][0] for name in recorded.names()]
    assert {row["state"] for row in rows} == {"live", "partially_filled", "filled", "canceled"}
    assert {row["tradeId"] == "" for row in rows if row["state"] == "filled"} == {True, False}
    assert {row["category"] for row in rows} == {"normal", "full_liquidation"}
    assert {row["amendResult"] for row in rows} == {"", "0"}
