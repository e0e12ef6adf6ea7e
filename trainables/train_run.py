"""One Train run of a slot: a worker group that serves until it is let go, whatever it survives."""

import shutil
from collections.abc import Collection
from pathlib import Path

from ray.actor import ActorHandle
from ray.exceptions import RayError
from ray.train import FailureConfig, RunConfig, ScalingConfig, TrainingFailedError
from ray.train.torch import TorchConfig, TorchTrainer

from trainables.slot_config import SlotConfig, label_selector
from trainables.worker import serve


def fit(
    config: SlotConfig, *, slot: ActorHandle, name: str, run: str, refused: Collection[str]
) -> str | None:
    """Run Train to the end of a run; return what went wrong with it, if anything.

    Args:
        config: The slot's.
        slot: The actor that the workers work for.
        name: Its name.
        run: The run's.
        refused: Nodes that no worker may be on.
    """
    shape = config.shape
    resources = {"CPU": shape.cpus_per_worker, "GPU": shape.gpus_per_worker}
    trainer = TorchTrainer(
        serve,
        train_loop_config={
            "slot": slot,
            "name": name,
            "run": run,
            "store_root": config.store_root,
            "remote": config.remote,
            "terms": config.terms,
            "threads": shape.threads,
            "gpus": shape.gpus_per_worker,
            "report_every_s": config.report_every_s,
            "phases": config.phases,
            "opener": config.opener,
        },
        torch_config=TorchConfig(timeout_s=int(config.watchdog_s) + 1),
        scaling_config=ScalingConfig(
            num_workers=shape.workers,
            use_gpu=shape.gpus_per_worker > 0,
            resources_per_worker={name: n for name, n in resources.items() if n > 0},
            label_selector=label_selector(shape, refused),
        ),
        run_config=RunConfig(
            name=run,
            storage_path=config.scratch,
            failure_config=FailureConfig(max_failures=-1, controller_failure_limit=10),
        ),
    )
    try:
        trainer.fit()
    except (TrainingFailedError, RayError) as error:
        return f"{type(error).__name__}: {str(error).strip().splitlines()[-1]}"
    finally:
        shutil.rmtree(Path(config.scratch) / run, ignore_errors=True)
    return None
