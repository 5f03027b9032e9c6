"""BingX's codes: each listed one has its outcome, an unlisted one never rejects."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spider_common.venues.bingx import codes
from spider_common.venues.outcomes import RateLimited, Rejected, Unknown, Unsent

NOW = 1_727_193_800_000_000_000
MS = 1_000_000


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("100410", RateLimited),
        ("100421", Unsent),
        ("100001", Rejected),
        ("101204", Rejected),
        ("101206", Rejected),
        ("101212", Rejected),
        ("101253", Rejected),
        ("101481", Unknown),
        ("109201", Unknown),
        ("101400", Rejected),
        ("109421", Rejected),
        ("80016", Rejected),
        ("80018", Rejected),
        ("80019", Unknown),
        ("101419", Rejected),
        ("104103", Rejected),
        ("109429", Rejected),
        ("109403", Rejected),
        ("504", Unknown),
    ],
)
def test_each_code_that_is_known_has_its_outcome(code, kind):
    """Duplicates are doubts: the order of that id is most likely ours, and is to be looked for."""
    assert isinstance(codes.write_outcome(code, "", NOW), kind)
    listed = codes.REJECTED.keys() | codes.RATE_LIMITED.keys() | codes.UNKNOWN.keys()
    assert code in listed


@given(st.integers(min_value=1).map(str), st.text(max_size=50))
def test_an_unlisted_code_is_a_doubt(code, words):
    """Whatever its words, a code that no list has proves nothing."""
    listed = codes.REJECTED.keys() | codes.RATE_LIMITED.keys() | codes.TIMESTAMP
    if code not in listed:
        assert isinstance(codes.write_outcome(code, words, NOW), Unknown)


def test_no_code_is_in_two_lists():
    """One code, one meaning."""
    lists = [codes.REJECTED, codes.RATE_LIMITED, codes.UNKNOWN]
    assert sum(map(len, lists)) == len(set().union(*lists))


@pytest.mark.parametrize(
    ("code", "words", "kind"),
    [
        ("100421", "This pair is currently restricted from API trading", Rejected),
        ("100421", "Null timestamp or timestamp mismatch", Unsent),
        ("100421", "cancel fail, order not exist", Rejected),
        ("100421", "traders prohibit openApi from placing orders", Rejected),
        ("100400", "check limit entrust value fail, entrust volume too low", Rejected),
        ("100400", "clientOrderId already exists", Unknown),
        ("109400", "timestamp is invalid", Unsent),
        ("80014", "timestamp is invalid", Unsent),
        ("80014", "Invalid parameters", Rejected),
        ("100410", "The current system is busy, please try again later", Unknown),
        ("100410", "rate limited", RateLimited),
        ("80012", '{"Code":101253,"Msg":"margin is not enough"}', Rejected),
        ("80012", '{"Code":500,"Msg":"connection refused"}', Unknown),
        ("80012", "The current system is busy, please try again later", Unknown),
        ("101481", '{"Code":101253}', Unknown),
    ],
)
def test_codes_with_two_meanings_are_told_apart_by_their_words(code, words, kind):
    """A refused timestamp was dropped unseen; a busy system may have the order."""
    assert isinstance(codes.write_outcome(code, words, NOW), kind)


@pytest.mark.parametrize(
    ("words", "expire", "until"),
    [
        ("rate limited", "", NOW + codes.BACK_OFF),
        ("rate limited", "1727193801000", 1727193801000 * MS),
        (
            "limit rule is in the disabled period and will be unblocked after 1727193814249",
            "",
            1727193814249 * MS,
        ),
        ("over 20 error code:100202 requests,can retry after time: 1727193970155", "", 1727193970155 * MS),
        ("rate limited", "1727193000000", NOW + 100 * MS),
        ("rate limited", "1999999999999", NOW + 2 * codes.BAN),
        ("rate limited", "soon", NOW + codes.BACK_OFF),
        ("after 17271938142490", "", NOW + codes.BACK_OFF),
    ],
)
def test_a_limit_ends_when_the_venue_says(words, expire, until):
    """By its words, else by its header, else after the window; never in the past and never for ever."""
    assert codes.write_outcome("100410", words, NOW, expire=expire) == RateLimited(until, f"100410 {words}")


@pytest.mark.parametrize(
    ("status", "kind"),
    [(418, RateLimited), (429, RateLimited), (500, Unknown), (502, Unknown), (504, Unknown)],
)
def test_a_status_may_say_it_all(status, kind):
    """A ban, a limit, and answers of gateways that cannot know."""
    assert isinstance(codes.http_outcome(status, NOW), kind)


def test_a_ban_lasts_at_least_five_minutes():
    """418 is shut whatever window the header names."""
    assert codes.http_outcome(418, NOW, expire="1727193801000").until == NOW + codes.BAN
    assert codes.http_outcome(200, NOW) is None
    assert codes.http_outcome(400, NOW) is None


@pytest.mark.parametrize(
    ("code", "words", "gone"),
    [
        ("100421", "order not exist", True),
        ("100400", "the order is FILLED already, or is not a valid order id", True),
        ("80016", "order does not exist", True),
        ("100421", "CheckUserAndSymbol: contract not exist", False),
        ("100400", "check param fail", False),
        ("100500", "order not exist", False),
    ],
)
def test_only_words_say_that_a_spot_order_is_not_there(code, words, gone):
    """Its codes stand for much else, and whatever is not surely gone is unknown."""
    assert codes.no_such_spot_order(code, words) is gone
