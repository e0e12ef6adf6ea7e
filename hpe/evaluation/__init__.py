"""Trained pose networks at work: on whole photographs, scored by the protocols of the field."""
