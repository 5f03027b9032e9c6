"""`spider config`: products, clients and subscriptions, as a file."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from services.cli import show
from services.cli.refusal import Refusal, refusing
from spider_common.domain.configuration import Name

app = typer.Typer(
    no_args_is_help=True, help="Products, clients, subscriptions: apply, diff, export, history."
)
AsJson = Annotated[bool, typer.Option("--json", help="JSON lines on stdout instead of text.")]
File = Annotated[Path, typer.Argument(help="A desk, YAML or JSON; - is JSON on stdin.")]


@app.command("diff")
@refusing()
def diff_desk(file: File, as_json: AsJson = False) -> None:
    """What a file would change; code 1 if anything."""
    from services.cli import desk_store  # noqa: PLC0415 brings boto3 with it

    found = desk_store.compare(file)
    _print(found.differences, as_json=as_json)
    if found.untouched and not as_json:
        typer.echo(f"{found.untouched} items are not in {file}: they stay as they are", err=True)
    raise typer.Exit(1 if found.differences else 0)


@app.command("apply")
@refusing()
def apply_desk(
    file: File,
    yes: Annotated[bool, typer.Option("--yes", help="Do it; without it, it is only shown.")] = False,
    as_json: AsJson = False,
) -> None:
    """Store what a file says over what is there. What it does not name stays as it is."""
    from services.cli import desk_store  # noqa: PLC0415 brings boto3 with it

    found = desk_store.compare(file)
    _print(found.differences, as_json=as_json)
    if not found.differences:
        return
    if not yes:
        typer.echo("nothing was written: --yes does it", err=True)
        return
    desk_store.store(found)
    typer.echo(f"{len(found.edits)} items stored", err=True)


@app.command("export")
@refusing()
def export_desk(as_json: AsJson = False) -> None:
    """All that is stored, as a file that can be applied."""
    from services.cli import desk_file, desk_store  # noqa: PLC0415 brings boto3 with it

    desk = desk_store.stored()
    if as_json:
        show.print_json(desk)
    else:
        typer.echo(desk_file.to_yaml(desk), nl=False)


@app.command("history")
@refusing()
def show_history(
    item: Annotated[str, typer.Argument(help="product/ID, client/ID or subscription/PRODUCT/CLIENT.")],
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many changes.")] = 20,
    as_json: AsJson = False,
) -> None:
    """Who changed an item, when and what, latest first."""
    from services.cli import desk_file, desk_store  # noqa: PLC0415 brings boto3 with it

    kind, *ids = item.split("/")
    wanted = {"product": 1, "client": 1, "subscription": 2}.get(kind)
    if wanted != len(ids) or not all(ids):
        raise Refusal(f"ITEM: {item!r} is none; write product/ID, client/ID or subscription/PRODUCT/CLIENT")
    entries = desk_store.history(Name(kind, tuple(ids)), limit)
    if as_json:
        show.print_json(*entries)
        return
    for entry in entries:
        typer.echo(f"{show.moment(entry.ts)} {entry.who} at {entry.from_where}: {entry.action}")
        before, after = (msgspec.json.decode(text) if text else {} for text in (entry.before, entry.after))
        for field, was, now in desk_file.changed_fields(before, after):
            typer.echo("  " + _words(field, was, now))
    if not entries:
        typer.echo(f"{item}: nothing is known of it", err=True)
        raise typer.Exit(1)


@app.command("fields")
@refusing()
def show_fields(
    markdown: Annotated[bool, typer.Option("--markdown", help="As in docs/configuration.md.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show every setting of a desk: type, default and meaning. Asks no table."""
    from services.cli import documents  # noqa: PLC0415 nobody else waits for it

    if markdown:
        typer.echo(documents.fields_markdown(), nl=False)
    elif as_json:
        show.print_json({title: documents.fields(form) for title, form in documents.SECTIONS.items()})
    else:
        for each in documents.field_tables():
            show.print_table(each.title, each.columns, each.rows)


def _print(differences: Sequence[Any], *, as_json: bool) -> None:
    if as_json:
        show.print_json(
            *(
                {"item": str(each.name), "field": each.field, "before": each.before, "after": each.after}
                for each in differences
            )
        )
        return
    title = None
    for each in differences:
        if each.name != title:
            title = each.name
            typer.secho(f"{title}{' (new)' if each.is_new else ''}", bold=True)
        typer.echo("  " + _words(each.field, each.before, each.after))


def _words(field: str, before: Any, after: Any) -> str:
    """A change in words and colours: green what comes, red what goes, yellow what becomes another."""
    if before is None:
        return typer.style(f"+ {field}: {_said(after)}", fg="green")
    if after is None:
        return typer.style(f"- {field}: {_said(before)}", fg="red")
    return typer.style(f"~ {field}: {_said(before)} becomes {_said(after)}", fg="yellow")


def _said(value: Any) -> str:
    match value:
        case bool():
            return "yes" if value else "no"
        case list() | tuple():
            return ", ".join(map(str, value)) or "none"
        case "" | {}:
            return "none"
        case _:
            return str(value)
