"""The verdict of a study: the best points and the controls trained again, and what that says."""
