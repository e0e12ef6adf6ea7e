"""The ablation of a study: what each part of the winner is worth, and pairs of them together."""
