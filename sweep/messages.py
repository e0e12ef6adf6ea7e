"""How refusals are worded: the rule, the value that broke it, the way out."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path


class Refused(Exception):
    """What was asked for cannot be done; the message says why and what to do instead."""


@contextmanager
def refusing() -> Iterator[None]:
    """Turn a ValueError about what the user gave into `Refused`, which ends the command."""
    try:
        yield
    except ValueError as error:
        raise Refused(str(error)) from error


@contextmanager
def about(part: str) -> Iterator[None]:
    """Say in front of a refusal which part of the input it is about, unless it says so itself."""
    try:
        yield
    except ValueError as error:
        text = str(error)
        raise ValueError(text if text.startswith(part) else f"{part}: {text}") from None


def shown_path(path: Path) -> str:
    """Return a path as people would type it: relative to where they are if it lies below."""
    absolute = path.absolute()
    if absolute.is_relative_to(Path.cwd()):
        return str(absolute.relative_to(Path.cwd()))
    return str(absolute)


def shown_size(num_bytes: float) -> str:
    """Return bytes in the unit people would choose: `1.5 GB` (1e9 bytes), `20 kB`."""
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if num_bytes >= size:
            return f"{num_bytes / size:.3g} {unit}"
    return f"{num_bytes:.0f} B"


def counted(count: int, noun: str) -> str:
    """Return `1 slot`, `2 slots`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def listed(parts: Sequence[str]) -> str:
    """Return `a`, `a and b`, `a, b and c`."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def shown_duration(seconds: float) -> str:
    """Return a duration in the two units that matter."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s" if whole < 600 else f"{round(whole / 60)} min"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def shown_time(time_s: float) -> str:
    """Return the time of day, here, of a Unix time."""
    return datetime.fromtimestamp(time_s).strftime("%H:%M:%S")
