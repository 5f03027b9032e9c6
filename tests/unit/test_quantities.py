"""Exact arithmetic."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spider_common.domain.quantities import canonical, toward_zero

numbers = st.decimals(min_value=-(10**15), max_value=10**15, allow_nan=False)
short = st.decimals(min_value=-(10**9), max_value=10**9, places=9)
steps = st.integers(1, 10**6).map(lambda count: Decimal(count).scaleb(-6))


@given(numbers)
def test_canonical_is_the_number(number: Decimal) -> None:
    """The spelling reads back as the same number, and has no exponent, spare zero or negative zero."""
    text = canonical(number)

    assert Decimal(text) == number
    assert "E" not in text.upper()
    assert text != "-0"
    assert "." not in text or text[-1] not in "0."


@given(numbers, st.integers(0, 8))
def test_canonical_is_one_spelling(number: Decimal, zeros: int) -> None:
    """However a number is written, its spelling is the same."""
    sign, digits, exponent = number.as_tuple()
    assert isinstance(exponent, int)
    longer = Decimal((sign, (*digits, *(0,) * zeros), exponent - zeros))

    assert longer == number
    assert canonical(longer) == canonical(number)


@pytest.mark.parametrize(
    ("text", "spelled"),
    [
        ("1E3", "1000"),
        ("-0.00", "0"),
        ("100", "100"),
        ("0.10", "0.1"),
        ("-1.50", "-1.5"),
        ("1E-9", "0.000000001"),
    ],
)
def test_spellings(text: str, spelled: str) -> None:
    """Examples of the one spelling."""
    assert canonical(Decimal(text)) == spelled


@given(short, steps)
def test_toward_zero(number: Decimal, step: Decimal) -> None:
    """The nearest multiple toward zero: never beyond, less than a step away, symmetric, idempotent."""
    rounded = toward_zero(number, step)

    assert rounded % step == 0
    assert abs(rounded) <= abs(number) < abs(rounded) + step
    assert toward_zero(-number, step) == -rounded
    assert toward_zero(rounded, step) == rounded


def test_toward_zero_is_exact_for_long_numbers() -> None:
    """A quotient of more digits than the arithmetic keeps is not rounded up to the next step."""
    almost = Decimal("76.99999999999999999999999999")

    assert toward_zero(almost, Decimal(7)) == 70
    assert toward_zero(-almost, Decimal(7)) == -70
