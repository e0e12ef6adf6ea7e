"""The tables of `docs/study-file.md`, beside the models and the parser that they are about."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel

from sweep.continuation import FREE_PATHS
from sweep.options import parse_options
from sweep.study import Size, Study, keys_of

PAGE = (Path(__file__).parents[2] / "docs" / "study-file.md").read_text()
ROWS = dict(re.findall(r"^\| `([^|]*)` \| ([^|]*) \|", PAGE, re.MULTILINE))

SAID_OTHERWISE = {"objective/direction", "final/seeds"}  # read off a name; asked for where used


def leaves(model: type[BaseModel], above: str = "") -> Iterator[tuple[str, object]]:
    """Yield the path and the default of every key that has a place of its own in a study file."""
    for key, field in keys_of(model).items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            yield from leaves(inner, f"{above}{key}/")
        else:
            yield f"{above}{key}", field.get_default(call_default_factory=True)


@pytest.mark.parametrize(("path", "default"), [*leaves(Study)])
def test_every_key_is_on_the_page_with_its_default(path, default):
    assert path in ROWS
    if default and isinstance(default, str | int | float | list) and path not in SAID_OTHERWISE:
        assert str(default) in ROWS[path]


def test_every_row_of_the_page_is_a_key():
    known = {path for path, _ in leaves(Study)}
    joined = {"search`, `early_stop`, `seeds", "budget`, `storage`, `slots"}
    sections = {path.split("/")[0] for path in known}
    told = {path for path in ROWS if not path.startswith("--")}
    assert told - known - sections == joined


def test_what_a_size_may_say_and_what_may_change_is_on_the_page():
    sizes = next(line for line in PAGE.splitlines() if line.startswith("| `sizes`"))
    assert all(f"`{key}`" in sizes for key in keys_of(Size))
    (changing,) = re.findall(r"The same command continues.*", PAGE)
    assert re.findall(r"`([a-z_/]+)`", changing.partition(" may be others")[0]) == [*FREE_PATHS]


def test_every_option_of_the_command_is_on_the_page(capsys):
    with pytest.raises(SystemExit):
        parse_options(["--help"])
    known = re.findall(r"^  (--[a-z-]+)", capsys.readouterr().out, re.MULTILINE)
    told = re.findall(r"--[a-z]+[a-z-]*", PAGE.partition("## The command's options")[2])
    assert set(told) == set(known)
    assert "--smoke" in known
