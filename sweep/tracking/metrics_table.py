"""All that a phase has measured, by epoch, as a file of its run; MLflow itself shows the first."""

import csv
import io
from collections.abc import Sequence

from sweep.trials import Epoch

NAME = "metrics.csv"


def metrics_table(epochs: Sequence[Epoch]) -> str:
    """Return CSV with a row per epoch and a column per metric; empty where it was not measured."""
    keys = sorted({key for epoch in epochs for key in epoch.metrics})
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("epoch", *keys))
    for epoch in epochs:
        writer.writerow((epoch.epoch, *(epoch.metrics.get(key, "") for key in keys)))
    return text.getvalue()
