"""What a study will cost, from a few training steps of a few of its configurations."""
