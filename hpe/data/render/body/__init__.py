"""Renders clothed bodies.

A package of its own beside the hands' modules, whose statements are a part of the hands' recipe:
what is rendered here can change without changing theirs.
"""
