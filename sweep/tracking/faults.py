"""The two ways in which MLflow does not take something."""


class Unreachable(ConnectionError):
    """MLflow did not take it now; the same call may succeed later."""


class Refused(ValueError):
    """MLflow will never take this."""
