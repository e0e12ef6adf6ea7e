"""MLflow as a mirror of the journal, written by a thread that training never waits for."""

from sweep.tracking.tracker import MlflowTracker

__all__ = ["MlflowTracker"]
