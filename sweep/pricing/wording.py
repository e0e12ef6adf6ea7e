"""Durations and sizes in words, one unit for a value and its bounds."""

from sweep.pricing.estimate import Interval

MINUTE_S = 60.0
HOUR_S = 3600.0
DAY_S = 86400.0
SIZES = ((1e9, "GB"), (1e6, "MB"), (1e3, "kB"))


def shown_seconds(seconds: Interval) -> str:
    """Return `12 min (10..15)` or the like, in seconds, minutes, hours or days."""
    for size, unit in ((DAY_S, "d"), (HOUR_S, "h"), (MINUTE_S, "min")):
        if seconds.high >= 1.5 * size:
            return _bounded(seconds, size, unit)
    return _bounded(seconds, 1.0, "s")


def shown_hours(seconds: Interval) -> str:
    """Return the same, always in hours."""
    return _bounded(seconds, HOUR_S, "h")


def shown_sizes(sizes: Interval) -> str:
    """Return `1.2 GB (1.1..1.4)` or the like; the bounds only where they differ."""
    size, unit = next(((s, u) for s, u in SIZES if sizes.high >= s), (1.0, "bytes"))
    return _bounded(sizes, size, unit)


def shown_bytes(size: float) -> str:
    """Return `1.2 GB` or the like, in units of 1000."""
    return shown_sizes(Interval(size, size, size))


def shown_number(value: float) -> str:
    """Return a number with at least two digits that mean something."""
    return f"{value:,.0f}" if value == 0 or value >= 10 else f"{value:.2g}"


def _bounded(values: Interval, size: float, unit: str) -> str:
    low, expected, high = (
        shown_number(value / size) for value in (values.low, values.expected, values.high)
    )
    if low == expected == high:
        return f"{expected} {unit}"
    return f"{expected} {unit} ({low}..{high})"
