"""What the body's skin is at each vertex: covered by which garment, hair, eye or mouth."""

from dataclasses import dataclass
from functools import cache

import numpy as np
from jaxtyping import Float32, Int32

from hpe.data.render.body.model import BodyModel, load_body_model
from hpe.data.render.hand_surface import VertexNormals

_HEAD, _MOUTH, _TONGUE = 1, 6, 7
_EYE_CAVITIES, _EYE_FRONTS, _EYE_BACKS = (8, 9), (10, 11), (12, 13)
"""Face labels of the distilled mesh."""
_UNSEEN = (_TONGUE, *_EYE_BACKS)

_HAIRLINE_M = 0.105
_NAPE_M = -0.02
_FADE_M = 0.012


@dataclass(frozen=True)
class BodySurface:
    """Attributes of each vertex, from the mean body at rest.

    Attributes:
        faces: Triangles, without those that can never be seen.
        normals: Vertex normals of these triangles.
        rest_m: Positions at rest.
        trunk: Share of trunk and shoulders.
        arm: Share of the arms, without hands.
        hips_and_legs: Share of hips and legs.
        foot: Share of the feet.
        hair: Whether hair may grow, 0 or 1.
        eye: 1 on the eyes.
        mouth: 1 inside of the mouth.
    """

    faces: Int32[np.ndarray, "faces 3"]
    normals: VertexNormals
    rest_m: Float32[np.ndarray, "vertices 3"]
    trunk: Float32[np.ndarray, " vertices"]
    arm: Float32[np.ndarray, " vertices"]
    hips_and_legs: Float32[np.ndarray, " vertices"]
    foot: Float32[np.ndarray, " vertices"]
    hair: Float32[np.ndarray, " vertices"]
    eye: Float32[np.ndarray, " vertices"]
    mouth: Float32[np.ndarray, " vertices"]


@cache
def body_surface() -> BodySurface:
    """Compute the attributes of the mean body; one copy per process."""
    model = load_body_model()
    rest_m, heads, _ = model.split(model.mean_m)
    of_head = _touched(model, (_HEAD,))
    from_head = rest_m - heads[model.bones.index("head")]
    on_top = from_head[:, 2] > _HAIRLINE_M
    at_back = (from_head[:, 1] > 0) & (from_head[:, 2] > _NAPE_M)
    faces = np.ascontiguousarray(model.faces[~np.isin(model.face_label, _UNSEEN)])
    bare = 1 - of_head
    return BodySurface(
        faces=faces,
        normals=VertexNormals(faces, model.num_vertices),
        rest_m=rest_m,
        trunk=_share(model, "spine", "breast", "clavicle", "shoulder", without="spine05") * bare,
        arm=_share(model, "upperarm", "lowerarm") * bare,
        hips_and_legs=_share(model, "upperleg", "lowerleg", "pelvis", "root", "spine05"),
        foot=_share(model, "foot", "toe"),
        hair=(of_head * (on_top | at_back)).astype(np.float32),
        eye=_touched(model, (*_EYE_FRONTS, *_EYE_CAVITIES)),
        mouth=_touched(model, (_MOUTH,)),
    )


def above(values: np.ndarray, edge: float, fade: float = _FADE_M) -> Float32[np.ndarray, " points"]:
    """Return 1 where values exceed an edge, 0 where they do not, linear over `fade` between."""
    return np.clip((values - edge) / fade + 0.5, 0.0, 1.0).astype(np.float32)


def _share(
    model: BodyModel, *prefixes: str, without: str = "nothing"
) -> Float32[np.ndarray, " vertices"]:
    """Return how much each vertex moves with the bones whose names begin so."""
    chosen = [name.startswith(prefixes) and not name.startswith(without) for name in model.bones]
    share: np.ndarray = model.skinning @ np.array(chosen, np.float32)
    return share


def _touched(model: BodyModel, labels: tuple[int, ...]) -> Float32[np.ndarray, " vertices"]:
    """Return 1 at the corners of faces with these labels."""
    touched = np.zeros(model.num_vertices, np.float32)
    touched[model.faces[np.isin(model.face_label, labels)]] = 1
    return touched
