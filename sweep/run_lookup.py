"""From the id of an MLflow run to the stage it tells about; imports MLflow, which takes seconds."""

from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.exceptions import MlflowException

from sweep.tracking.tracker import without_credentials

SQLITE = "sqlite:///"


def stage_key_of_run(tracking_uri: str, run_id: str, *labels: str) -> str:
    """Return the key of the stage that a phase's run, or a trial's run for a label, tells about.

    Args:
        tracking_uri: Where runs are.
        run_id: The id of the run.
        labels: Plan labels that are meant; of a trial's runs, the one that began last counts.

    Raises:
        ValueError: If there is no such run, or no such stage in it.
    """
    shown = without_credentials(tracking_uri)
    if tracking_uri.startswith(SQLITE) and not Path(tracking_uri.removeprefix(SQLITE)).exists():
        raise ValueError(f"there is no MLflow store at {shown} to look the run up in.")
    client = MlflowClient(tracking_uri)
    try:
        run = client.get_run(run_id)
        runs = [run, *_children(client, run)]
    except MlflowException as error:
        reason = without_credentials(str(error))
        raise ValueError(f"MLflow at {shown} does not give this run: {reason}") from None
    for candidate in runs:
        tags = candidate.data.tags
        if tags.get("phase") in labels and "stage_key" in tags:
            return str(tags["stage_key"])
    told = labels[0] if len(labels) == 1 else "a phase whose network can be scored"
    raise ValueError(f"the run {run.info.run_name!r} is not of {told}, nor of a trial with it.")


def _children(client: MlflowClient, run: Run) -> list[Run]:
    query = f"tags.mlflow.parentRunId = '{run.info.run_id}'"
    newest_first = ["attributes.start_time DESC"]
    return list(
        client.search_runs([run.info.experiment_id], filter_string=query, order_by=newest_first)
    )
