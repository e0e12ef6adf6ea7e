"""Who trains a stage: drivers that share a runs folder never train one at the same time."""

import os
from pathlib import Path

from trainables.file_lock import lock_file, sign

CLAIMS = ".claims"


class Claims:
    """The stages one driver has taken for itself; others see them taken until they are released.

    A claim ends with its holder, however that ends. Its file says, for people, who holds it.
    """

    def __init__(self, root: Path) -> None:
        """Claim nothing yet.

        Args:
            root: The stage store's folder.
        """
        self._folder = root / CLAIMS
        self._held: dict[str, int] = {}

    def take(self, key: str) -> bool:
        """Claim a stage; return whether it is this driver's now, which it may have been before."""
        if key in self._held:
            return True
        descriptor = lock_file(self._folder / key, wait=False)
        if descriptor is None:
            return False
        self._held[key] = descriptor
        sign(descriptor)
        return True

    def is_free(self, key: str) -> bool:
        """Say whether this driver could claim a stage just now, or has."""
        if key in self._held or not (self._folder / key).exists():
            return True
        descriptor = lock_file(self._folder / key, shared=True, wait=False)
        if descriptor is None:
            return False
        os.close(descriptor)
        return True

    def release(self, key: str) -> None:
        """Let others claim a stage, if it was claimed here."""
        descriptor = self._held.pop(key, None)
        if descriptor is not None:
            (self._folder / key).unlink(missing_ok=True)
            os.close(descriptor)

    def close(self) -> None:
        """Release every stage."""
        for key in list(self._held):
            self.release(key)
