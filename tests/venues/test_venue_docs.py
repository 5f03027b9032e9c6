"""docs/venues.md says what the code says."""

import json
from pathlib import Path

from typer.testing import CliRunner

from services.cli import app, venues
from spider_common.domain.identifiers import Venue
from spider_common.venues.cards import CARDS

DOCUMENT = Path(__file__).parents[2] / "docs" / "venues.md"


def spider(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["venues", *arguments])
    assert result.exit_code == 0, result.output
    return result.stdout


def test_the_document_is_in_step() -> None:
    """Its generated part is what `spider venues --markdown` prints now: `make docs`."""
    _, begin, generated = DOCUMENT.read_text().partition(venues.BEGIN)
    assert begin + generated == spider("--markdown") == venues.markdown()


def test_every_venue_is_shown() -> None:
    """One column and at least one limit for each."""
    (title, columns, _), (_, _, limits) = venues.venue_tables()
    assert columns == ["", *Venue]
    assert {row[0] for row in limits} == set(Venue)
    assert title in spider()
    assert set(json.loads(spider("--json"))) == set(Venue)


def test_every_card_is_shown() -> None:
    """Each once, as a table, as JSON and in the document."""
    lines = [json.loads(line) for line in spider("--cards", "--json").splitlines()]
    assert [line["name"] for line in lines] == [card.name for card in CARDS]
    table, document = spider("--cards"), DOCUMENT.read_text()
    for card in CARDS:
        assert table.count(card.text) == document.count(card.text) == 1
