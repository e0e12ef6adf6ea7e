"""A study: the validated content of a study file."""

from collections.abc import Mapping
from math import prod
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    field_validator,
    model_validator,
)
from pydantic.fields import FieldInfo

from hpe.config import Config
from hpe.metrics.direction import Direction, direction_of

NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
"""Names of studies and arms: they become folders and columns."""

Name = Annotated[str, Field(pattern=NAME_PATTERN)]

Settings = dict[str, Any]
"""Fixed values by path into the plan's phase settings, such as `{"pretrain/epochs": 20}`."""


def label_of(path: str) -> str:
    """Return the plan label that the path of a setting, or of a metric, begins with."""
    return path.split("/", 1)[0]


def keys_of(model: type[BaseModel]) -> Mapping[str, FieldInfo]:
    """Return the fields of a settings model by the keys that files have for them."""
    return {field.alias or name: field for name, field in model.model_fields.items()}


def split_metric(metric: str) -> tuple[str, str]:
    """Return the plan label and the phase's metric key of `<plan label>/<metric key>`."""
    label, _, key = metric.partition("/")
    return label, key


class Arm(Config):
    """A named, fixed point: a published setting or a control."""

    baseline: str | None = None
    plan: list[str] | None = None
    settings: Settings = {}


COST = "cost"
"""Stands where a plan label would in metrics of what a trial costs, of which less is better."""


class Target(Config):
    """A number the search improves: `<plan label>/<metric key>` of the last phase.

    Attributes:
        direction: Which values are better; left out, it is read off the metric's name.
    """

    metric: str
    direction: Direction = "minimize"  # refused as a study is checked where the name does not say

    @model_validator(mode="before")
    @classmethod
    def _read_direction(cls, data: Any) -> Any:
        """Give the direction that the metric's name says where none is given."""
        if not isinstance(data, dict) or data.get("direction") is not None:
            return data
        metric = data.get("metric")
        known = known_direction(metric) if isinstance(metric, str) else None
        return data if known is None else {**data, "direction": known}


def known_direction(metric: str) -> Direction | None:
    """Return which values of a target are better, or None where its name does not say."""
    return "minimize" if label_of(metric) == COST else direction_of(metric)


class Constraint(Config):
    """A bound that a finished trial keeps to or not; the sampler prefers those that do.

    Attributes:
        metric: As an objective's.
        at_most: The largest value that is fine, or
        at_least: the smallest.
    """

    metric: str
    at_most: float | None = None
    at_least: float | None = None


class Objective(Target):
    """What the search improves; the leaderboard is in this order.

    Attributes:
        also: Further numbers to improve, none at the cost of being dominated.
        constraints: What a trial must keep to.
    """

    also: list[Target] = []
    constraints: list[Constraint] = []


class Search(Config):
    """How points are chosen, and how many (arms are not counted).

    Attributes:
        reuse: Probability that a new trial takes a finished prefix of an earlier one, whose stages
            are then not trained again.
        neighbours: Probability that a new point is one of the best with a few parameters changed,
            instead of what the sampler suggests.
        grid: Path -> values, for the sampler `grid`: every combination is tried once, the last path
            varying fastest; `trials` is then all of them, unless fewer are asked for.
    """

    sampler: Literal["tpe", "gp", "cmaes", "nsgaii", "random", "qmc", "grid"] = "tpe"
    trials: NonNegativeInt = 0
    reuse: Annotated[float, Field(ge=0, le=1)] = 0.0
    neighbours: Annotated[float, Field(ge=0, le=1)] = 0.0
    grid: dict[str, Annotated[list[Any], Field(min_length=1)]] = {}

    @model_validator(mode="before")
    @classmethod
    def _try_the_whole_grid(cls, data: Any) -> Any:
        """Have as many trials as the grid has points where their number is not said."""
        grid = data.get("grid") if isinstance(data, dict) else None
        if not grid or "trials" in data or not isinstance(grid, dict):
            return data
        if not all(isinstance(values, list) for values in grid.values()):
            return data  # the field says what is wrong
        return {**data, "trials": prod(len(values) for values in grid.values())}


class EarlyStop(Config):
    """When a weak trial ends before its plan does.

    Attributes:
        rule: `asha`: asynchronous successive halving; `median`: a trial worse than the median of
            those before it ends; `sync`: successive halving in cohorts, free of timing.
        rungs: Shares of a phase's epochs at which its trials are compared.
        keep: Share of the trials at a rung that go on.
        grace: Trials a rung must have seen before it stops one; where trials pause instead, none
            is stopped before others have come, and this says nothing.
        cohort: Trials that `sync` compares with each other, and no others.
        metric: What is compared, `<plan label>/<metric key>`; None: the objective.
        proxy: Also compare at rungs of phases that report a proxy instead of the objective.
        promote: With `asha`: pause a trial at each rung and go on with it only once it is promoted.
        min_correlation: Stopping on a proxy switches itself off when its rank correlation with
            the objective, over at least eight finished trials, is below this.
    """

    rule: Literal["asha", "median", "sync", "none"] = "none"
    rungs: list[Annotated[float, Field(gt=0, lt=1)]] = [0.34, 0.67]
    keep: Annotated[float, Field(gt=0, lt=1)] = 0.5
    grace: PositiveInt = 3
    cohort: Annotated[int, Field(ge=2)] = 8
    metric: str | None = None
    proxy: bool = False
    promote: bool = False
    min_correlation: Annotated[float, Field(ge=-1, le=1)] = 0.3


class Seeds(Config):
    """The search's seed, and the trial seeds: every arm and point runs once with each of these."""

    study: NonNegativeInt = 0
    trials: Annotated[list[NonNegativeInt], Field(min_length=1)] = [0]


FINAL_SEEDS = 24
"""What a race of three points and one control takes to find a lead of one standard deviation
(`benchmarks/verdict.py`)."""


class Final(Config):
    """Replicates of the best points and of the arms, for the verdict.

    Attributes:
        top_k: How many points run again; 0 for no replicates.
        seeds: With how many fresh trial seeds, at most, each does; to be said where points do.
    """

    top_k: NonNegativeInt = 0
    seeds: PositiveInt = FINAL_SEEDS


class Ablation(Config):
    """The winner again without each of its parts, and without pairs of the strongest.

    Attributes:
        seeds: Fresh trial seeds of each variant; 0 for no ablation.
        interactions: Of how many of the strongest parts every pair is left out too.
    """

    seeds: NonNegativeInt = 0
    interactions: NonNegativeInt = 0


class Budget(Config):
    """What ends the search early; whichever comes first."""

    wall_h: PositiveFloat | None = None
    gpu_h: PositiveFloat | None = None
    target: float | None = None


class Storage(Config):
    """What the stage store may take; whichever is reached first keeps further trials from starting.

    Attributes:
        quota_gb: Gigabytes (1e9 bytes) that the stages of the runs folder may take together.
        reserve_gb: Gigabytes that must stay free on the disk.
    """

    quota_gb: PositiveFloat | None = None
    reserve_gb: Annotated[float, Field(ge=0)] = 1.0


class Slots(Config):
    """How many worker groups run at once, and their shape.

    Attributes:
        count: `auto`: all that fit, but no more than `max`; on a cluster the number follows its
            machines as they come and go.
        gpu: Of each worker: a share of one GPU, or whole ones.
        accelerator: The GPU type that every worker is to have, as Ray calls it (`L4`, `A100`).
    """

    count: PositiveInt | Literal["auto"] = "auto"
    max: PositiveInt = 8
    workers: PositiveInt = 1
    gpu: Annotated[float, Field(ge=0)] | Literal["auto"] = "auto"
    accelerator: str | None = None

    @field_validator("gpu")
    @classmethod
    def _ray_gives_out(cls, gpu: float | Literal["auto"]) -> float | Literal["auto"]:
        """Refuse what Ray has no bundle for: parts of a GPU beside whole ones."""
        if gpu != "auto" and gpu > 1 and not gpu.is_integer():
            raise ValueError(
                f"a worker has a share of one GPU or a whole number of them, got {gpu:g}; set "
                f"{int(gpu)}, {int(gpu) + 1} or a share such as 0.5."
            )
        return gpu


class Size(Config):
    """What a named size of the study changes.

    Attributes:
        arms: The arms of this size, where they are others than the study's; likewise `baseline`,
            `space` and `objective`.
    """

    baseline: str | None = None
    space: str | None = None
    objective: Objective | None = None
    as_published: bool = False
    arms: dict[Name, Arm] = {}
    settings: Settings = {}
    data: dict[str, Any] = {}
    search: dict[str, Any] = {}
    early_stop: dict[str, Any] = {}
    seeds: dict[str, Any] = {}
    final: dict[str, Any] = {}
    ablation: dict[str, Any] = {}


class Study(Config):
    """One question, and everything needed to answer it.

    Attributes:
        baseline: The published setting that every arm and point starts from. As an arm's, it wins
            over the study's settings.
        as_published: Take of every baseline the variant that also says how it was trained (its name
            with `_full`), where it has one.
        set_by_hand: Paths of the settings that the command line gives: they win over how a baseline
            was trained, though not over what it is about.
        source: The study, in the same runs folder, whose trials the search begins with (`from`).
        from_weights: Plan label -> weights (a file, a stage, a run or a trial) that stand for the
            plan up to and including that step, which is then not trained.
        max_failed: Trials that may fail before the study counts as failed; None: half of them.
    """

    model_config = ConfigDict(serialize_by_alias=True)

    name: Name
    question: str
    source: Name | None = Field(None, alias="from")
    data: dict[str, Any]
    plan: Annotated[list[str], Field(min_length=1)]
    baseline: str | None = None
    as_published: bool = False
    settings: Settings = {}
    set_by_hand: list[str] = []
    from_weights: dict[str, str] = {}
    space: str | None = None
    arms: dict[Name, Arm] = {}
    objective: Objective
    search: Search = Search()
    early_stop: EarlyStop = EarlyStop()
    seeds: Seeds = Seeds()
    final: Final = Final()
    ablation: Ablation = Ablation()
    budget: Budget = Budget()
    storage: Storage = Storage()
    slots: Slots = Slots()
    max_failed: NonNegativeInt | None = None
    sizes: dict[str, Size] = {}
