"""Metrics by their papers' definitions."""
