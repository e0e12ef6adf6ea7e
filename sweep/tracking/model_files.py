"""The winner in MLflow's registry: its folder, its signature, its versions.

Like `sweep.tracking.store` it imports MLflow, and is imported where there is a model to register.
"""

import hashlib
import tempfile
from pathlib import Path

import numpy as np
from mlflow.models.signature import ModelSignature
from mlflow.pyfunc import save_model
from mlflow.types import Schema, TensorSpec

from sweep.lineage import REQUIREMENTS
from sweep.tracking import served_model
from sweep.tracking.pictures import STUDY
from sweep.tracking.store import RunStore, translated
from sweep.weights import read_weights_file

MODEL = "model"
WEIGHTS_TAG = "weights_sha256"
EXAMPLE_PX = 128
DIGEST_CHARS = 16


def register_model(store: RunStore, *, name: str, weights: Path) -> None:
    """Store the weights as a model with the study's run, and as a version unless it is the last.

    Every version has files of its own: what was served as version 1 stays what it was.

    Raises:
        Unreachable: If MLflow does not answer, or not now.
        Refused: If this MLflow keeps no models.
    """
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    run_id = store.runs[STUDY].run_id
    client = store.client
    with translated():
        if not client.search_registered_models(f"name = '{name}'"):
            client.create_registered_model(name, description=f"Best network of the study {name}.")
        known = client.search_model_versions(f"name = '{name}'")
        newest = max(known, key=lambda version: int(version.version), default=None)
        if newest is not None and newest.tags.get(WEIGHTS_TAG) == digest:
            return
        place = f"{MODEL}/{digest[:DIGEST_CHARS]}"
        with tempfile.TemporaryDirectory() as scratch:
            save_served_model(weights, Path(scratch) / MODEL)
            client.log_artifacts(run_id, str(Path(scratch) / MODEL), place)
        source = f"{client.get_run(run_id).info.artifact_uri}/{place}"
        client.create_model_version(name, source, run_id, tags={WEIGHTS_TAG: digest})


def save_served_model(weights: Path, folder: Path) -> None:
    """Write an MLflow model of a report's weights, with its signature and an example.

    Args:
        weights: What `best_weights.safetensors` holds, of a phase in `served_model.SERVED`.
        folder: Does not exist yet.
    """
    artifacts = read_weights_file(weights)
    outputs = served_model.serving_of(artifacts).outputs(artifacts)
    signature = ModelSignature(
        inputs=Schema([TensorSpec(np.dtype(np.uint8), (-1, -1, -1, 3))]),
        outputs=Schema(
            [TensorSpec(np.dtype(out.dtype), (-1, *out.shape), out.name) for out in outputs]
        ),
    )
    save_model(
        str(folder),
        loader_module=served_model.__name__,
        data_path=str(weights),
        signature=signature,
        input_example=np.full((1, EXAMPLE_PX, EXAMPLE_PX, 3), 128, dtype=np.uint8),
        pip_requirements=str(REQUIREMENTS),
        metadata={"needs": "this project, importable: its root on PYTHONPATH, or installed"},
    )
