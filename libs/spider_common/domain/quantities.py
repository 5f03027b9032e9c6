"""Exact arithmetic on sizes and prices."""

from decimal import Decimal
from typing import Final

ZERO: Final = Decimal(0)


def canonical(number: Decimal) -> str:
    """The one spelling of a number: plain digits, no exponent, no trailing zeros, no negative zero."""
    text = format(number, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in {"-0", ""} else text


def check_finite(**numbers: Decimal | None) -> None:
    """Raises ValueError naming the first of the fields that is NaN or infinite; None is fine."""
    for field, number in numbers.items():
        if number is not None and not number.is_finite():
            raise ValueError(f"{field}: {number} is not a number to count with; write plain digits")


def check_amounts(**numbers: Decimal | None) -> None:
    """As `check_finite`, and refuses what is below zero too."""
    check_finite(**numbers)
    for field, number in numbers.items():
        if number is not None and number < 0:
            raise ValueError(f"{field}: {number} is below zero; write its magnitude")


def toward_zero(number: Decimal, step: Decimal) -> Decimal:
    """The multiple of `step` nearest to `number` that is not larger in magnitude.

    `step` is positive. Rounding toward zero never copies more than the rule asks for.
    """
    # the integer division is exact where "/" would round a long quotient up to the next step
    return number // step * step
