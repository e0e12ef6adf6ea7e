"""An alarm for embeddings that became all the same, and stay so."""

import logging

TOLERANCE = 0.01
PATIENCE_EPOCHS = 3

logger = logging.getLogger(__name__)


class CollapseAlarm:
    """Counts the epochs whose contrastive loss sits where equal embeddings would put it.

    That level is ln(2 batch - 1), see `hpe.losses.contrastive.collapse_level`. A fresh network may
    start there, and a warm-up keep it there, so warm-up does not count and one epoch is no alarm.

    Attributes:
        epochs: How many epochs in a row it has been there; part of a phase's state.
    """

    def __init__(self, *, warmup_epochs: float) -> None:
        """Start before the first epoch of a phase whose learning rate rises for so long."""
        self.epochs = 0
        self._warmup_epochs = warmup_epochs

    def sounds(self, share: float, *, epoch: int) -> bool:
        """Return whether the embeddings count as collapsed after this epoch, counted from 1.

        Args:
            share: The epoch's mean loss as a share of the collapsed level.
            epoch: The epoch. The first one with the alarm is logged as a warning.
        """
        at_level = abs(share - 1) <= TOLERANCE and epoch > self._warmup_epochs
        self.epochs = self.epochs + 1 if at_level else 0
        if self.epochs == PATIENCE_EPOCHS:
            logger.warning(
                "Epoch %d: for %d epochs the contrastive loss has been %.3f of the level that "
                "equal embeddings give: they have collapsed, or nothing is learnt. Another "
                "learning rate, temperature or composition may help.",
                epoch,
                self.epochs,
                share,
            )
        return self.epochs >= PATIENCE_EPOCHS
