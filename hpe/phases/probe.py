"""A closed-form probe: how well a linear map reads the pose from frozen features."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from hpe.config import Config
from hpe.data.hands import HandData
from hpe.metrics.pose import root_epe, root_relative
from hpe.phases.distribution import in_original_order, own_rows
from hpe.phases.labelled import EVALUATION_BATCH, Crops, encoded_rows, fully_visible
from hpe.phases.loaders import Batch
from hpe.phases.phase import tell_nobody
from hpe.phases.precision import Numerics

PROBE_METRIC = "val/probe_root_epe_mm"
TEMPLATE_METRIC = "val/probe_template_root_epe_mm"
PROBE_METRICS = (PROBE_METRIC, TEMPLATE_METRIC)

SMALLEST_DEVIATION_SHARE = 0.01  # of the mean one: nearly constant features must not be blown up


class ProbeConfig(Config):
    """How pretraining is judged before there is an objective.

    Attributes:
        every: Epochs between probes, and one after the last; 0 for none. Epochs without a probe
            report no probe metrics.
        labels: Labelled training samples the linear map is fitted to; the same ones in every trial.
        val_samples: Validation samples it is scored on; the same ones in every trial.
        ridge: Penalty on squared weights, in units of a standardised feature's variance. Its floor
            is a rule: with hardly any penalty the probe's error explodes now and then.
    """

    every: int = Field(1, ge=0)
    labels: int = Field(500, ge=2)
    val_samples: int = Field(500, ge=1)
    ridge: float = Field(3.0, ge=0.1)

    def is_due(self, epoch: int, *, epochs: int) -> bool:
        """Return whether to probe after this epoch, counted from 1."""
        return self.every > 0 and (epoch % self.every == 0 or epoch == epochs)


class Probe:
    """Scores encoders on one fixed set of labelled and validation crops."""

    def __init__(
        self,
        data: HandData,
        config: ProbeConfig,
        *,
        image_px: int,
        workers: int,
        limit_batches: int | None,
        on_batch: Callable[[], None] = tell_nobody,
    ) -> None:
        """Choose the samples; crops are made at the first probe."""
        self._ridge = config.ridge
        wanted = {"train": config.labels, "val": config.val_samples}
        self._chosen = {
            name: _fixed_choice(
                len(data.splits[name]), _capped(count, len(data.splits[name]), limit_batches)
            )
            for name, count in wanted.items()
        }
        self._crops = {
            name: Crops(
                data.splits[name],
                own_rows(chosen),
                image_px=image_px,
                workers=workers,
                on_batch=on_batch,
            )
            for name, chosen in self._chosen.items()
        }

    @torch.no_grad()
    def scores(self, encoder: nn.Module, numerics: Numerics) -> dict[str, float]:
        """Return the probe's and the mean hand's root-relative errors on the validation samples.

        The encoder is put into evaluation mode and left in it.
        """
        encoder.eval()
        train = fully_visible(self._encoded("train", encoder, numerics))
        val = self._encoded("val", encoder, numerics)
        hands_m = root_relative(train["joints_m"]).flatten(1)
        predicted_m = ridge_predictions(
            train["features"], hands_m, val["features"], ridge=self._ridge
        ).reshape(len(val["joints_m"]), -1, 3)
        template_m = hands_m.mean(0).reshape(-1, 3).expand_as(predicted_m)
        true_m, valid = val["joints_m"], val["visible"] & val["has_depth"][:, None]
        return {
            PROBE_METRIC: float(root_epe(predicted_m, true_m, valid=valid)),
            TEMPLATE_METRIC: float(root_epe(template_m, true_m, valid=valid)),
        }

    def _encoded(self, split: str, encoder: nn.Module, numerics: Numerics) -> Batch:
        rows = encoded_rows(self._crops[split], encoder, numerics)
        rows["features"] = rows["features"].double().cpu()
        total = len(self._chosen[split])
        return {name: in_original_order(values, total=total) for name, values in rows.items()}


def ridge_predictions(
    train_features: Float[Tensor, "train features"],
    train_targets: Float[Tensor, "train targets"],
    features: Float[Tensor, "batch features"],
    *,
    ridge: float,
) -> Float[Tensor, "batch targets"]:
    """Fit a linear map with an intercept in closed form and apply it.

    Minimises |Y - X W|^2 / train + ridge |W|^2 over features standardised, and targets centred, on
    the training rows.

    Args:
        train_features: Rows to fit; float64.
        train_targets: What to predict from them.
        features: Rows to predict for.
        ridge: Penalty, relative to a standardised feature's variance of 1.
    """
    mean, deviation = train_features.mean(0), train_features.std(0, correction=0)
    floor = SMALLEST_DEVIATION_SHARE * deviation.mean() + torch.finfo(deviation.dtype).tiny
    deviation = deviation.clamp(min=float(floor))
    x = (train_features - mean) / deviation
    y_mean = train_targets.mean(0)
    gram = x.T @ x / len(x) + ridge * torch.eye(x.shape[1], dtype=x.dtype)
    weights = torch.cholesky_solve(
        x.T @ (train_targets - y_mean) / len(x), torch.linalg.cholesky(gram)
    )
    return (features - mean) / deviation @ weights + y_mean


def probed_samples(
    config: ProbeConfig, sizes: Mapping[str, int], *, limit_batches: int | None
) -> int:
    """Return how many samples of splits of these sizes a probe encodes."""
    labels = _capped(config.labels, sizes["train"], limit_batches)
    return labels + _capped(config.val_samples, sizes["val"], limit_batches)


def _capped(wanted: int, available: int, limit_batches: int | None) -> int:
    cap = available if limit_batches is None else limit_batches * EVALUATION_BATCH
    return min(wanted, available, cap)


def _fixed_choice(num_samples: int, count: int) -> Sequence[int]:
    """Choose samples by a seed that no setting changes, so that trials can be compared."""
    chosen: list[int] = np.random.default_rng(0).permutation(num_samples)[:count].tolist()
    return chosen
