"""How strongly skeletons are evolved, and how much of a lifting network's batch that makes."""

from search_spaces.parameters import Parts, Real

EVOLUTION = Parts(
    (
        Real("evolve/growth", 1.5, 5.0),
        Real("evolve/limbs/prob", 0.0, 1.0),
        Real("evolve/limbs/deg", 2.0, 45.0, log=True),
        Real("evolve/turn/prob", 0.0, 1.0),
        Real("evolve/turn/deg", 5.0, 90.0),
        Real("evolve/lengths/prob", 0.0, 1.0),
        Real("evolve/lengths/spread", 0.01, 0.2, log=True),
        Real("evolve/limits/largest_deg", 5.0, 40.0),
        Real("lift/reprojected_share", 0.1, 1.0),
    )
)
"""Around EvoSkeleton's settings (growth 1.5 and 2.5, 0.3 x 10 degrees, 0.1 x 30 degrees, 0.5)."""
