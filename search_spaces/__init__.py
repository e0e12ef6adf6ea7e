"""What may be searched, written for Optuna."""
