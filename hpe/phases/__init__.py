"""Training procedures as generators, one report per epoch."""
