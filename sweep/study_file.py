"""Finding, reading and validating study files, up to what their schema says.

What needs the phases, the spaces and the data sets to judge is in `sweep.study_check`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError

from hpe.names import nearest
from sweep.messages import shown_path
from sweep.overrides import Override, apply_override, chosen_size, parse_override
from sweep.study import Study, keys_of
from sweep.yaml_file import YamlFile, YamlPath, read_yaml

STUDIES = Path(__file__).parent / "studies"
SIZES = ("small", "full")
"""Every study with one of these written out has the other one too: as the file stands."""

RESERVED_NAMES = ("stages", "data", "mlartifacts", "mlflow.db")
"""What `sweep.folders.RunsDir` keeps beside the studies."""

MERGED_BY_SIZE = ("settings", "data", "search", "early_stop", "seeds", "final", "ablation")
REPLACED_BY_SIZE = ("arms", "baseline", "space", "objective", "as_published")


def list_studies(folder: Path = STUDIES) -> list[tuple[str, str]]:
    """Return the name of every study that comes with the project, and the question it asks."""
    return [(path.stem, load_study(str(path)).question) for path in sorted(folder.glob("*.yaml"))]


def load_study(
    name_or_path: str,
    *,
    size: str | None = None,
    sets: Sequence[str] = (),
    trials: int | None = None,
    folder: Path = STUDIES,
) -> Study:
    """Read a study and apply what the command line changes: size first, then the single values.

    Args:
        name_or_path: A name in `folder`, or the path of a YAML file.
        size: A name in the study's `sizes`.
        sets: `path=value` texts.
        trials: How many points to search, instead of what the file says.
        folder: Where names are looked up.

    Raises:
        ValueError: If any of it is unknown, misspelled or out of range; a line per fault, with the
            file and line, or the option, it comes from.
    """
    file = read_yaml(find_study(name_or_path, folder))
    overrides = [parse_override(text) for text in sets]
    if trials is not None:
        overrides.append(Override("search/trials", trials, option="--trials"))
    raw = dict(file.data)
    raw.setdefault("name", Path(file.name).stem)
    study = _validated(raw, _in_file(file))
    chosen = chosen_size(overrides, size)
    if chosen is not None:
        raw = _resized(raw, chosen, study)
        study = _validated(raw, _in_size(file, chosen))
    for override in overrides:
        if override.path != "size":
            raw = apply_override(raw, override)
            study = _validated(raw, _in_option(override))
    return study


def find_study(name_or_path: str, folder: Path = STUDIES) -> Path:
    """Return the file of a study.

    Raises:
        ValueError: If there is none, with the nearest names.
    """
    path = Path(name_or_path)
    if path.suffix in (".yaml", ".yml") or path.parent != Path():
        if not path.is_file():
            raise ValueError(f"{name_or_path}: there is no such study file.")
        return path
    known = [file.stem for file in sorted(folder.glob("*.yaml"))]
    if name_or_path in known:
        found = folder / f"{name_or_path}.yaml"
        return Path(shown_path(found))
    raise ValueError(
        f"{name_or_path}: there is no study of this name{nearest(name_or_path, known)}; "
        f"studies are {', '.join(known) or 'none'}, or give the path of a YAML file."
    )


def _resized(raw: Mapping[str, Any], size: str, study: Study) -> dict[str, Any]:
    changes = raw.get("sizes") or {}
    if size not in changes:
        if size in SIZES and any(name in changes for name in SIZES):
            return dict(raw)
        offered = sorted({*changes, *(SIZES if any(s in changes for s in SIZES) else ())})
        raise ValueError(
            f"--size {size}: {study.name} has no such size{nearest(size, offered)}; "
            f"sizes are {', '.join(offered) or 'none'}."
        )
    merged = {
        key: {**(raw.get(key) or {}), **changes[size][key]}
        for key in MERGED_BY_SIZE
        if changes[size].get(key)
    }
    replaced = {key: changes[size][key] for key in REPLACED_BY_SIZE if changes[size].get(key)}
    data = changes[size].get("data") or {}
    if data.get("name", raw["data"].get("name")) != raw["data"].get("name"):
        replaced["data"] = data  # another data set has settings of its own, as with --set
    return {**raw, **merged, **replaced}


Place = Callable[[YamlPath], str]
"""Says where a value of a study comes from: `quickstart.yaml:14: search/trials`, or `--trials`."""


def _in_file(file: YamlFile) -> Place:
    return lambda path: f"{file.place(path)}: {_shown(path)}"


def _in_size(file: YamlFile, size: str) -> Place:
    return lambda path: f"{file.place(('sizes', size, *path))}: {_shown(('sizes', size, *path))}"


def _in_option(override: Override) -> Place:
    return lambda _: str(override)


def _shown(path: YamlPath) -> str:
    return "/".join(str(part) for part in path)


def _validated(raw: Mapping[str, Any], place: Place) -> Study:
    try:
        study = Study.model_validate(raw, strict=True)
    except ValidationError as error:
        raise ValueError("\n".join(_explained(error, place))) from None
    if study.name in RESERVED_NAMES:
        raise ValueError(
            f"{place(('name',))}: the runs folder keeps something else in {study.name!r}; "
            f"give the study another name."
        )
    return study


def _explained(error: ValidationError, place: Place) -> Iterator[str]:
    """Yield a line per faulty path; the alternatives of one value make one line."""
    faults: dict[YamlPath, list[Any]] = {}
    for detail in error.errors(include_url=False):
        faults.setdefault(_own_path(detail["loc"]), []).append(detail)
    for path, details in faults.items():
        first = details[0]
        if first["type"] == "extra_forbidden":
            *parents, name = path
            allowed = list(keys_of(_model_at(parents)))
            yield (
                f"{place(path)}: unknown key{nearest(str(name), allowed)}; "
                f"keys here are {', '.join(allowed)}."
            )
        elif first["type"] == "missing":
            yield f"{place(path)}: this key is missing."
        elif first["type"] == "value_error":  # a rule of ours says all there is to say
            yield f"{place(path)}: {first['ctx']['error']}"
        else:
            rules = " or ".join(_rule(detail) for detail in details)
            yield f"{place(path)}: must {rules}, got {first['input']!r}."


def _rule(detail: Any) -> str:
    match detail["type"]:
        case "string_pattern_mismatch":
            return "start with a letter or digit and have at most 64 letters, digits, '.', '_', '-'"
        case "too_short":
            return f"have at least {detail['ctx']['min_length']} item"
        case "model_type" | "dict_type":
            return "be keys with their values ({} for none)"
    text: str = detail["msg"]
    return text.removeprefix("Input should ")


def _own_path(loc: tuple[str | int, ...]) -> YamlPath:
    """Return the part of pydantic's location that is in the file, not in its types."""
    path: list[str | int] = []
    annotation: Any = Study
    for part in loc:
        if part == "[key]":
            break
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            field = keys_of(annotation).get(str(part))
            path.append(part)
            annotation = field.annotation if field else None
        elif get_origin(annotation) in (dict, list):
            path.append(part)
            annotation = get_args(annotation)[-1]
        else:
            break
    return tuple(path)


def _model_at(path: Sequence[str | int]) -> type[BaseModel]:
    annotation: Any = Study
    for part in path:
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            annotation = keys_of(annotation)[str(part)].annotation
        else:
            annotation = get_args(annotation)[-1]
    assert isinstance(annotation, type) and issubclass(annotation, BaseModel)
    return annotation
