"""What of the foundation is applied to moto, decided without moto."""

import msgspec
import pytest

from services.local.foundation import (
    Drift,
    LeftOut,
    NotDeployed,
    check_drift,
    for_moto,
    not_in_moto,
    override,
    would_change,
)

WHOLE = {
    "provider": {"aws": [{"region": "us-east-1"}]},
    "resource": {
        "aws_kms_key": {"key": {"description": "dev"}},
        "aws_cache": {"one": {"key": "${aws_kms_key.key.arn}"}},
    },
    "output": {
        "cache": {"value": "${aws_cache.one.address}"},
        "key": {"value": "${aws_kms_key.key.arn}"},
    },
}


def test_what_is_left_out_takes_its_outputs_with_it_and_nothing_else():
    """The rest of the configuration is what was synthesized, to the letter."""
    less = for_moto(WHOLE, [LeftOut(type="aws_cache", reason="not there")])
    assert less["resource"] == {"aws_kms_key": WHOLE["resource"]["aws_kms_key"]}
    assert less["output"] == {"key": WHOLE["output"]["key"]}
    assert less["provider"] == WHOLE["provider"]
    assert for_moto(WHOLE, []) == WHOLE


def test_nothing_is_left_out_that_something_else_needs():
    """What stands on it would have to be left out too, with a reason of its own."""
    with pytest.raises(NotDeployed, match=r"aws_cache\.one refers to aws_kms_key\.key: leave it out too"):
        for_moto(WHOLE, [LeftOut(type="aws_kms_key", reason="not there")])


def change(*actions, before=None, after=None, kind="aws_queue"):
    return {"type": kind, "change": {"actions": list(actions), "before": before, "after": after}}


def test_a_plan_tells_what_it_would_change():
    """An update by the attributes that differ, those among them that are known after it only."""
    plan = {
        "resource_changes": [
            change("no-op", before={"a": 1}, after={"a": 1}),
            change("update", before={"a": 1, "b": 2, "c": 3}, after={"a": 1, "b": 3}),
            change("delete", "create", before={"a": 1}, after={"a": 2}, kind="aws_table"),
        ]
    }
    assert would_change(plan) == {("aws_queue", "b"), ("aws_queue", "c"), ("aws_table", "delete/create")}


def test_a_second_plan_changes_what_is_listed_and_no_more_and_no_less():
    """Drift that is not moto's is an error, and so is a reason that is not needed any more."""
    listed = [Drift(type="aws_queue", attribute="b", reason="white space")]
    check_drift({("aws_queue", "b")}, listed)
    with pytest.raises(NotDeployed, match=r"a second plan would change .*: aws_queue: a"):
        check_drift({("aws_queue", "a"), ("aws_queue", "b")}, listed)
    with pytest.raises(NotDeployed, match="not there any more: aws_queue: b"):
        check_drift(set(), listed)


def test_each_entry_of_the_list_has_a_reason_and_stands_once():
    """The list can be read, and says of each why."""
    listed = not_in_moto()
    entries = [(each.type, "") for each in listed.left_out]
    entries += [(each.type, each.attribute) for each in listed.drift]
    assert len(entries) == len(set(entries)) > 0
    assert all(each.reason for each in (*listed.left_out, *listed.drift))


def test_every_request_goes_to_the_stand_in():
    """No service of AWS is reached by its own name."""
    (provider,) = override("http://127.0.0.1:5000")["provider"]["aws"]
    (endpoints,) = provider["endpoints"]
    assert set(endpoints.values()) == {"http://127.0.0.1:5000"}
    assert {"dynamodb", "sqs", "sts", "iam", "cognitoidp"} < set(endpoints)
    assert msgspec.json.encode(provider)
