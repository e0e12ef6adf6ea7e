"""Settings of the evolution of skeletons, and what follows from them alone."""

from pathlib import Path

from pydantic import Field, model_validator

from hpe.config import Config
from hpe.evolution.breeding import Compat, Strengths
from hpe.evolution.limbs import NUM_LIMBS
from hpe.evolution.recorded_limits import limit_files, read_recorded_limits
from hpe.outside_files import OutsideFiles
from hpe.phases.keep import KeepConfig
from hpe.phases.recorded_poses import RecordedConfig

EVOLVE_METRICS = (
    "train/poses",
    "train/valid_share",
    "train/spread_mm",
    "train/random_valid_share",
    "val/valid_share",
)
"""Poses in the set; share of the children born in this epoch that are possible; root-mean-square
distance of joints from where they are on average, relative to the pelvis; and how often the limits
hold of bodies with random limbs and of recorded people who are not among the training ones."""


class LimitsConfig(Config):
    """What limbs can do.

    Attributes:
        enabled: Whether children must keep to it (S4's C).
        folder: EvoSkeleton's `resources/constraints`, with Akhter and Black's limits; None: they
            are estimated from the recorded poses in use, as follows.
        coverage: Share of those poses that each limit must hold of, were they left out.
        smallest_deg: Bounds of the tolerance around what was recorded.
        largest_deg: The same.
    """

    enabled: bool = True
    folder: str | None = None
    coverage: float = Field(0.99, gt=0, le=1)
    smallest_deg: float = Field(5.0, gt=0, le=90)
    largest_deg: float = Field(20.0, gt=0, le=90)

    @model_validator(mode="after")
    def _has_bounds_in_order(self) -> "LimitsConfig":
        if self.smallest_deg > self.largest_deg:
            raise ValueError(
                f"limits/smallest_deg must be at most limits/largest_deg, got {self.smallest_deg} "
                f"and {self.largest_deg}; lower the first or raise the second"
            )
        return self

    def canonical(self) -> "LimitsConfig":
        """Return the settings without those of an estimate where limits were recorded."""
        if self.folder is None:
            return self
        fields = type(self).model_fields
        unread = ("coverage", "smallest_deg", "largest_deg")
        return self.model_copy(update={name: fields[name].default for name in unread})

    @property
    def files(self) -> OutsideFiles | None:
        """The files with the limits; None where they are estimated."""
        if self.folder is None:
            return None
        return OutsideFiles(Path(self.folder), find=limit_files, check=read_recorded_limits)


class LimbMutationConfig(Config):
    """Turns of single limbs.

    Attributes:
        prob: Of each limb that was exchanged (S4's MRL).
        deg: Standard deviation of the angle (SDL).
    """

    prob: float = Field(0.3, ge=0, le=1)
    deg: float = Field(10.0, ge=0, le=180)


class TurnConfig(Config):
    """Turns of whole bodies.

    Attributes:
        prob: Of each child (S4's MRG).
        deg: Standard deviation of the angle (SDG).
    """

    prob: float = Field(0.1, ge=0, le=1)
    deg: float = Field(30.0, ge=0, le=180)


class LengthsConfig(Config):
    """Limb lengths of children.

    Attributes:
        exchange: Whether a child has those of its other parent.
        prob: Of each child, to get those of any recorded body instead (S4's MBLR).
        spread: Standard deviation of the logarithm of what these are scaled by, the same on the
            left and the right.
    """

    exchange: bool = True
    prob: float = Field(0.5, ge=0, le=1)
    spread: float = Field(0.05, ge=0, le=1)


class EvolveConfig(Config):
    """Settings of the evolution of skeletons.

    Attributes:
        epochs: Steps that the set grows in, and reports to make.
        growth: Size in the end, in sizes of the recorded set (S4's T).
        parents_share: Share of the set that fathers, and as much again mothers, a generation (F).
        recorded: Which training poses are in use.
        crossover: Whether parents exchange a sub-tree of limbs (CV).
        required_limbs: How many of its nine limbs must be possible for a child to be kept (Th).
        compat: `evoskeleton_v1` breeds as EvoSkeleton's release and S4 do (see
            `hpe.evolution.breeding.Compat`).
        limit_batches: Generations per epoch at most, after which the set grows no further; None
            for as many as it takes.
    """

    epochs: int = Field(10, ge=1)
    growth: float = Field(2.5, gt=1)
    parents_share: float = Field(0.1, gt=0, le=0.5)
    recorded: RecordedConfig = RecordedConfig()
    crossover: bool = True
    limbs: LimbMutationConfig = LimbMutationConfig()
    turn: TurnConfig = TurnConfig()
    lengths: LengthsConfig = LengthsConfig()
    limits: LimitsConfig = LimitsConfig()
    required_limbs: int = Field(NUM_LIMBS, ge=0, le=NUM_LIMBS)
    compat: Compat = "none"
    keep: KeepConfig = KeepConfig()
    limit_batches: int | None = Field(None, ge=1)

    @model_validator(mode="after")
    def _keeps_by_a_metric_it_has(self) -> "EvolveConfig":
        self.keep.require_metric(EVOLVE_METRICS)
        return self

    def canonical(self) -> "EvolveConfig":
        """Return the settings without those that the published way does not read."""
        if self.compat == "none":
            return self
        turn = self.turn.model_copy(update={"deg": TurnConfig().deg})
        lengths = self.lengths.model_copy(
            update={"prob": LengthsConfig().prob, "spread": LengthsConfig().spread}
        )
        return self.model_copy(update={"turn": turn, "lengths": lengths})

    @property
    def depth_splits(self) -> tuple[str, ...]:
        """Splits whose joints must be known in space."""
        return ("train", "val")

    @property
    def strengths(self) -> Strengths:
        """Return how strongly the operators work."""
        return Strengths(
            crossover=self.crossover,
            exchange_lengths=self.lengths.exchange,
            limb_prob=self.limbs.prob,
            limb_deg=self.limbs.deg,
            turn_prob=self.turn.prob,
            turn_deg=self.turn.deg,
            length_prob=self.lengths.prob,
            length_spread=self.lengths.spread,
            required_limbs=self.required_limbs,
            compat=self.compat,
        )


def target_size(config: EvolveConfig, *, recorded: int, epoch: int) -> int:
    """Return how many poses the set has after an epoch, counted from 1."""
    grown: float = (config.growth - 1) * recorded * epoch / config.epochs
    return recorded + round(grown)


def evolve_metrics(_config: EvolveConfig) -> tuple[str, ...]:
    """Return the metrics that every epoch reports."""
    return EVOLVE_METRICS
