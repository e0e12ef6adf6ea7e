"""Data sets: rendered hands, and loaders for the original files of published ones."""
