"""Adapters that run phases of hpe on Ray Train workers."""
