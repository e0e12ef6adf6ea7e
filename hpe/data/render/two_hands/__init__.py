"""Scenes of two hands of one person that hide each other, with the whole of each."""
