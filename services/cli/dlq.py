"""`spider dlq`: what was set aside, to look at, to send back or to drop."""

import re
from collections.abc import Sequence
from typing import Annotated

import typer

from services.cli.confirm import confirm
from services.cli.refusal import Refusal, refusing

app = typer.Typer(no_args_is_help=True, help="Dead letters: list, show, redrive, drop.")
AsJson = Annotated[bool, typer.Option("--json", help="JSON lines on stdout instead of a table.")]
Ids = Annotated[list[str] | None, typer.Argument(help="Ids, or the first digits of them.")]
Reason = Annotated[str, typer.Option(help="Those whose reason has this in it, in any case.")]
All = Annotated[bool, typer.Option("--all", help="Every one of them.")]


@app.command("list")
@refusing()
def list_letters(reason: Reason = "", as_json: AsJson = False) -> None:
    """What was set aside, by group and in the order in which it was."""
    from services.cli import letters  # noqa: PLC0415 brings boto3 with it

    seen = letters.look_at(letters.Chosen(reason=reason))
    letters.print_letters("dead letters", seen.letters, as_json=as_json)
    if seen.unseen:
        typer.echo(
            f"{seen.unseen} more are not shown: somebody holds them, or they stand behind ten of a group "
            "that the queue set aside itself; look again in a minute, or redrive the ten",
            err=True,
        )
        raise typer.Exit(1)


@app.command("show")
@refusing()
def show_letter(
    letter_id: Annotated[str, typer.Argument(help="Its id, or the first digits of it.")],
    as_json: AsJson = False,
) -> None:
    """One of them whole."""
    from services.cli import letters  # noqa: PLC0415 brings boto3 with it

    chosen = letters.Chosen(ids=_ids([letter_id]))
    for letter in letters.found_by(chosen, letters.look_at(chosen).letters):
        letters.print_letter(letter, as_json=as_json)


@app.command("redrive")
@refusing()
def redrive_letters(
    letter_ids: Ids = None, every: All = False, reason: Reason = "", as_json: AsJson = False
) -> None:
    """Send them back to the queue they came from, those of a group in their order."""
    from services.cli import letters  # noqa: PLC0415 brings boto3 with it

    chosen = letters.Chosen(ids=_which(letter_ids, every=every, reason=reason), reason=reason)
    if chosen.ids:
        letters.found_by(chosen, letters.look_at(chosen).letters)
    letters.print_done(letters.redrive(chosen), "redriven", as_json=as_json)


@app.command("drop")
@refusing()
def drop_letters(
    letter_ids: Ids = None,
    every: All = False,
    reason: Reason = "",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Delete them for good. The audit keeps what they were."""
    from services.cli import letters  # noqa: PLC0415 brings boto3 with it

    chosen = letters.Chosen(ids=_which(letter_ids, every=every, reason=reason), reason=reason)
    found = letters.found_by(chosen, letters.look_at(chosen).letters)
    if found:
        confirm(f"Drop {len(found)} for good: {', '.join(map(letters.short, found))}?", yes=yes)
    letters.print_done(letters.drop(found), "dropped", as_json=as_json)


def _ids(written: Sequence[str]) -> list[str]:
    for name in written:
        if not re.fullmatch("[0-9a-f]{4,32}", name):
            raise Refusal(f"ID: {name!r} is not 4 to 32 hex digits; `spider dlq list` prints ids")
    return list(written)


def _which(ids: Sequence[str] | None, *, every: bool, reason: str) -> list[str]:
    if [bool(ids), every, bool(reason)].count(True) != 1:
        raise Refusal("ID: name ids, or give --reason WORDS, or --all; one of the three")
    return _ids(ids or [])
