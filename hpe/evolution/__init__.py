"""Evolution of skeletons: new plausible poses from recorded ones (Li et al., CVPR 2020)."""
