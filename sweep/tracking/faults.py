"""The ways in which MLflow does not get something."""


class Unreachable(ConnectionError):
    """MLflow did not take it now; the same call may succeed later."""


class Unread(OSError):
    """What is kept of a stage cannot be read now; MLflow took all else."""


class Refused(ValueError):
    """MLflow will never take this."""
