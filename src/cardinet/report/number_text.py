"""Numbers as text for people. The space before a unit is a no-break space (U+00A0)."""

from __future__ import annotations

import math

from cardinet.base.amounts import amount

NBSP = "\u00a0"
MISSING = "\u2013"
_SUPERSCRIPT = str.maketrans("-0123456789", "\u207b\u2070\u00b9\u00b2\u00b3\u2074\u2075\u2076\u2077\u2078\u2079")


def count(value: int | None) -> str:
    """Exact, with thousands separators: "25,028,904"."""
    return MISSING if value is None else f"{value:,d}"


def short(value: float | None) -> str:
    """Three significant digits and a letter: "25.0 M"; exact below 10,000."""
    if value is None or not math.isfinite(value):
        return MISSING
    if abs(value) < 10_000:
        return f"{value:,.0f}"
    units = ((1e3, "k"), (1e6, "M"), (1e9, "G"), (1e12, "T"), (1e15, "P"))
    factor, letter = next((u for u in units if abs(value) < 999.5 * u[0]), units[-1])
    return f"{significant(value / factor)}{NBSP}{letter}"


def significant(value: float | None, digits: int = 3) -> str:
    """A number with at least `digits` significant digits. Whole digits are never rounded: "1,234", "0.0312"."""
    if value is None or not math.isfinite(value):
        return MISSING
    if value == 0:
        return "0"
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    rounded = round(value, decimals)
    if rounded and math.floor(math.log10(abs(rounded))) > math.floor(math.log10(abs(value))):
        decimals = max(0, decimals - 1)
    return f"{rounded:,.{decimals}f}"


def percent(share: float | None, decimals: int = 2) -> str:
    """A share: "1.11 %", or a change of one: "-1.11 %". Only exactly 0 and 1 are shown as 0 % and 100 %."""
    if share is None or not math.isfinite(share):
        return MISSING
    if share in (0, 1):
        return f"{100 * share:.0f}{NBSP}%"
    if share < 0:
        text = percent(-share, decimals)
        return f">{NBSP}-{text[2:]}" if text.startswith("<") else f"-{text}"
    smallest = 10.0**-decimals
    if 100 * share < smallest / 2:
        return f"<{NBSP}{smallest:.{decimals}f}{NBSP}%"
    if 0 < 100 - 100 * share < smallest / 2:
        return f">{NBSP}{100 - smallest:.{decimals}f}{NBSP}%"
    return f"{100 * share:.{decimals}f}{NBSP}%"


def duration(seconds: float | None) -> str:
    """Seconds in the two largest fitting units: "12.3 s", "4 min 05 s", "2 h 14 min", "3 d 4 h"."""
    if seconds is None or not math.isfinite(seconds):
        return MISSING
    if seconds < 59.95:
        return f"{seconds:.1f}{NBSP}s" if seconds >= 0.05 else f"under{NBSP}0.1{NBSP}s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60}{NBSP}min{NBSP}{whole % 60:02d}{NBSP}s"
    minutes = round(seconds / 60)
    if minutes < 48 * 60:
        return f"{minutes // 60}{NBSP}h{NBSP}{minutes % 60:02d}{NBSP}min"
    hours = round(seconds / 3600)
    return f"{hours // 24}{NBSP}d{NBSP}{hours % 24}{NBSP}h"


def number(value: float) -> str:
    """The shortest text of an axis label: "0.05", "200", "1,000", "5x10^-4" with true signs."""
    if value == 0:
        return "0"
    exponent = math.floor(math.log10(abs(value)) + 1e-9)
    if exponent >= -3:
        return f"{value:,.10g}" if abs(value) < 1e5 else short(value)
    mantissa = f"{value / 10.0**exponent:.3g}"
    power = "10" + str(exponent).translate(_SUPERSCRIPT)
    return power if mantissa == "1" else f"{mantissa}\u00d7{power}"


def plural(number: int, noun: str) -> str:
    """ "1 picture", "360 pictures", "2 classes"."""
    return amount(number, noun, NBSP)
