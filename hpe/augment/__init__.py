"""Augmentations that keep image, keypoints, intrinsics and mask consistent."""
