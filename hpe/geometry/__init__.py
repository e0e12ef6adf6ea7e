"""Cameras, skeletons and the 2.5D representation."""
