"""Laws of OKX's codes: what is refused, what never arrived, what may have happened."""

import pytest

from spider_common.domain.identifiers import AccountId
from spider_common.secret import Credentials, Secret
from spider_common.venues.okx import codes
from spider_common.venues.okx.codes import WRITES
from spider_common.venues.okx.session import OkxSession
from spider_common.venues.outcomes import RateLimited, Rejected, Unknown, Unsent
from spider_common.venues.venue import Failed
from tests.okx_samples import INSTRUMENTS
from tests.strategies import TS

# https://www.okx.com/docs-v5/en/#error-code, as an order request may be answered
DOCUMENTED = {
    "50004": Unknown,  # timeout at the venue
    "50013": Unknown,  # busy
    "50026": Unknown,  # internal error
    "51016": Unknown,  # a pending order has the id: most likely this one
    "51149": Unknown,  # timeout at the venue
    "50011": RateLimited,
    "50061": RateLimited,
    "50036": Unsent,  # after its expTime
    "50102": Unsent,  # its timestamp was too old
    "50113": Rejected,  # signature
    "51008": Rejected,  # margin
    "51020": Rejected,  # minimum
    "51121": Rejected,  # lot
    "51169": Rejected,  # nothing to reduce
    # these answer a cancel, an amend or a query; as an answer to an order they prove nothing
    "51400": Unknown,
    "51503": Unknown,
    "51603": Unknown,
}


@pytest.mark.parametrize(("code", "kind"), DOCUMENTED.items())
def test_documented_codes_mean_what_the_venue_says(code: str, kind: type) -> None:
    """Each documented code of an order request has the one outcome that it proves."""
    assert type(WRITES.outcome(code, "words", TS)) is kind


@pytest.mark.parametrize("code", ["1", "", "99999", "51603x", "5100", "510081"])
def test_an_unlisted_code_is_unknown(code: str) -> None:
    """A code that is not listed never counts as a refusal: the order may be there."""
    assert isinstance(WRITES.outcome(code, "", TS), Unknown)


def test_no_code_means_two_things() -> None:
    """Each code stands in one list only."""
    lists = [codes.REJECTED, codes.UNSENT, codes.RATE_LIMITED, codes.UNKNOWN, codes.GONE]
    every = [code for each in lists for code in each]
    assert len(every) == len(set(every))


@pytest.mark.parametrize("code", ["51400", "51503", "51603"])
def test_an_order_that_is_gone_refuses_its_change(code: str) -> None:
    """A cancel or an amend of an order that is not open did nothing; of a new order it proves nothing."""
    assert isinstance(WRITES.outcome(code, "", TS, of_order=True), Rejected)
    assert isinstance(WRITES.outcome(code, "", TS), Unknown)
    assert set(codes.GONE) >= codes.NOT_FOUND


def test_an_outcome_carries_the_venues_words() -> None:
    """Code and message are kept for people; without a message our own words stand in."""
    assert WRITES.outcome("51008", "Insufficient margin", TS) == Rejected("51008", "Insufficient margin")
    assert WRITES.outcome("51008", "", TS) == Rejected("51008", codes.REJECTED["51008"])
    assert WRITES.outcome("50004", "API endpoint timeout", TS) == Unknown("50004 API endpoint timeout")


def test_a_rate_limit_says_until_when() -> None:
    """The bucket stays closed for a time counted from now."""
    outcome = WRITES.outcome("50011", "", TS)
    assert isinstance(outcome, RateLimited)
    assert outcome.until == TS + codes.BACK_OFF


# https://www.okx.com/docs-v5/en/#error-code-websocket
FATAL = ["60005", "60007", "60018", "60024", "60029", "60032"]
RETRIABLE = ["60004", "60006", "60009", "60011", "60012", "60014", "60031", "64007", "99999"]


@pytest.mark.parametrize(("code", "fatal"), [*((c, True) for c in FATAL), *((c, False) for c in RETRIABLE)])
def test_socket_errors_are_fatal_or_worth_another_try(code: str, fatal: bool) -> None:
    """A wrong key, passphrase, signature or channel stays wrong; time, load and order of frames do not."""
    credentials = Credentials(Secret("k"), Secret("s"), Secret("p"))
    session = OkxSession(credentials, AccountId("leader"), INSTRUMENTS)
    session.opened(TS)
    (event,) = session.received(f'{{"event":"error","code":"{code}","msg":"no"}}', TS)
    assert event == Failed(f"{code} no", fatal=fatal)
