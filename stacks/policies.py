"""Policy documents as JSON. Pure.

A statement about every resource or every action carries its reason in its `Sid`, which begins with
`Because`: the console shows it to whoever reads the policy there, and `stacks.rules` refuses one without.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

REASON: Final = "Because"


def allow(
    *actions: str,
    on: Sequence[str],
    sid: str = "",
    to: Mapping[str, Any] | None = None,
    when: Mapping[str, Mapping[str, Any]] | None = None,
) -> dict[str, Any]:
    """A statement that allows actions on resources, to a principal, under conditions."""
    return _statement("Allow", actions, on=on, sid=sid, to=to, when=when)


def deny(
    *actions: str,
    on: Sequence[str],
    sid: str = "",
    to: Mapping[str, Any] | None = None,
    when: Mapping[str, Mapping[str, Any]] | None = None,
) -> dict[str, Any]:
    """A statement that denies what others may allow."""
    return _statement("Deny", actions, on=on, sid=sid, to=to, when=when)


def _statement(
    effect: str,
    actions: Sequence[str],
    *,
    on: Sequence[str],
    sid: str,
    to: Mapping[str, Any] | None,
    when: Mapping[str, Mapping[str, Any]] | None,
) -> dict[str, Any]:
    statement: dict[str, Any] = {"Effect": effect, "Action": list(actions)}
    if on:
        statement["Resource"] = list(on)
    if sid:
        statement["Sid"] = sid
    if to is not None:
        statement["Principal"] = to
    if when is not None:
        statement["Condition"] = when
    return statement


def document(*statements: Mapping[str, Any]) -> str:
    """A policy of statements."""
    return msgspec.json.encode({"Version": "2012-10-17", "Statement": statements}).decode()


def assumed_by(service: str, *, account: str) -> str:
    """The trust of a role that an AWS service takes on, for our account only."""
    mine = {"StringEquals": {"aws:SourceAccount": account}}
    return document(allow("sts:AssumeRole", on=(), to={"Service": service}, when=mine))
