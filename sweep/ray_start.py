"""What the shell lines of a cluster file tell `ray start`."""

import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

SEPARATORS = ";&|"
_REDIRECTION = re.compile(r"[<>]&|&>")  # their & separates nothing


@dataclass(frozen=True)
class RayStart:
    """One `ray start`.

    Attributes:
        options: What it is given, such as `{"--head": "", "--port": "6379"}`; the last one counts.
        variables: What its line sets in its environment.
    """

    options: Mapping[str, str]
    variables: Mapping[str, str]


def ray_starts(lines: Iterable[str]) -> list[RayStart]:
    """Return every `ray start` of some shell lines.

    What a line does that is not understood is taken as not done: a line that cannot be split into
    words starts Ray with nothing set.
    """
    return [
        start
        for line in lines
        for part in line.replace("\\\n", " ").splitlines()
        for start in _starts_in(part, {})
    ]


def _starts_in(line: str, around: Mapping[str, str]) -> Iterator[RayStart]:
    """Yield what one line starts, in a shell with these variables."""
    exported = dict(around)
    try:
        commands = list(_commands(line))
    except ValueError:  # an open quote
        yield from [RayStart({}, {})] if "ray" in line and "start" in line else []
        return
    for words in commands:
        if words[0] == "export":
            exported |= _assignments(words)
        for place, word in enumerate(words):
            variables = {**exported, **_assignments(words[:place])}
            if PurePosixPath(word).name == "ray" and words[place + 1 : place + 2] == ["start"]:
                yield RayStart(_options(words[place + 2 :]), variables)
                break
            if " " in word:  # bash -c '...'
                yield from _starts_in(word, variables)


def _commands(line: str) -> Iterator[list[str]]:
    """Yield the words of each command of a line, up to its comment."""
    lexer = shlex.shlex(_REDIRECTION.sub(" > ", line), posix=True, punctuation_chars=SEPARATORS)
    lexer.whitespace_split = True
    lexer.commenters = ""
    words: list[str] = []
    for word in lexer:
        if word.startswith("#"):
            break
        if not word.strip(SEPARATORS):
            if words:
                yield words
            words = []
        else:
            words.append(word)
    if words:
        yield words


def _assignments(words: Sequence[str]) -> dict[str, str]:
    pairs = (word.partition("=") for word in words if "=" in word)
    return {name: value for name, _, value in pairs if name.isidentifier()}


def _options(words: Sequence[str]) -> dict[str, str]:
    options = {}
    for word, following in zip(words, [*words[1:], ""], strict=False):
        if word.startswith("--"):
            name, _, value = word.partition("=")
            options[name] = value or ("" if following.startswith("--") else following)
    return options
