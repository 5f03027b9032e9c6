"""Laws of Bitget's codes: what is refused, what never arrived, what may have happened."""

import pytest

from spider_common.domain.identifiers import AccountId
from spider_common.secret import Credentials, Secret
from spider_common.venues.bitget import codes
from spider_common.venues.bitget.codes import WRITES
from spider_common.venues.bitget.session import BitgetSession
from spider_common.venues.outcomes import RateLimited, Rejected, Unknown, Unsent
from spider_common.venues.venue import Failed
from tests.bitget_samples import INSTRUMENTS
from tests.strategies import TS

# https://www.bitget.com/api-doc/contract/error-code/restapi, as a new order may be answered
DOCUMENTED = {
    "429": RateLimited,
    **dict.fromkeys(["40004", "40008"], Unsent),  # its timestamp was too old
    **dict.fromkeys(["40009", "40774", "40920", "45110", "45113", "22002"], Rejected),
    **dict.fromkeys(["40711", "40712", "40754", "40762", "40798", "43012"], Rejected),  # balance
    # a pending order has the id: most likely this one
    **dict.fromkeys(["40786", "40708", "43118", "45034", "50060"], Unknown),
    **dict.fromkeys(["45001", "40725", "40808", "40015"], Unknown),  # maintenance
    # these answer a cancel or a question; as an answer to a new order they prove nothing
    **dict.fromkeys(["40768", "40109", "43001", "22001", "43004", "43025"], Unknown),
}


@pytest.mark.parametrize(("code", "kind"), DOCUMENTED.items())
def test_documented_codes_mean_what_the_venue_says(code: str, kind: type) -> None:
    """Each documented code of an order request has the one outcome that it proves."""
    assert type(WRITES.outcome(code, "words", TS)) is kind


@pytest.mark.parametrize("code", ["40768", "40109", "43001", "43025", "22001", "43004"])
def test_a_cancel_of_what_is_gone_is_refused(code: str) -> None:
    """A cancel or amend that finds no order has done nothing, and the venue says so."""
    assert WRITES.outcome(code, "", TS, of_order=True) == Rejected(code, codes.GONE[code])


@pytest.mark.parametrize("code", ["1", "", "99999", "40768x", "4000", "00001"])
def test_an_unlisted_code_is_unknown(code: str) -> None:
    """A code that is not listed never counts as a refusal: the order may be there."""
    assert isinstance(WRITES.outcome(code, "", TS), Unknown)
    assert isinstance(WRITES.outcome(code, "", TS, of_order=True), Unknown)


def test_no_code_means_two_things() -> None:
    """Each code stands in one list only; what is not found is among what is gone."""
    lists = [codes.REJECTED, codes.UNSENT, codes.RATE_LIMITED, codes.UNKNOWN, codes.GONE]
    every = [code for each in lists for code in each]
    assert len(every) == len(set(every))
    assert codes.NOT_FOUND.issubset(codes.GONE)
    assert not set(codes.FATAL_SOCKET) & set(codes.RETRIABLE_SOCKET)


def test_a_rate_limit_says_until_when() -> None:
    """The bucket stays closed for a time counted from now."""
    assert WRITES.outcome("429", "slow", TS) == RateLimited(TS + codes.BACK_OFF, "429 slow")


FATAL = [30001, 30002, 30003, 30011, 30012, 30015, 30016]
RETRIABLE = [30004, 30005, 30006, 30007, 30013, 30014, 99999]


@pytest.mark.parametrize(("code", "fatal"), [*((c, True) for c in FATAL), *((c, False) for c in RETRIABLE)])
def test_socket_errors_are_fatal_or_worth_another_try(code: int, fatal: bool) -> None:
    """A wrong key, passphrase, signature or channel stays wrong; time and load do not. As int or string."""
    credentials = Credentials(Secret("k"), Secret("s"), Secret("p"))
    for written in (f"{code}", f'"{code}"'):
        session = BitgetSession(credentials, AccountId("leader"), INSTRUMENTS)
        session.opened(TS)
        (event,) = session.received(f'{{"event":"error","code":{written},"msg":"no"}}', TS)
        assert event == Failed(f"{code} no", fatal=fatal)
