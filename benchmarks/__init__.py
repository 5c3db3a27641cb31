"""Measurements of swath against its own lower limit and against the tutorial's way of doing the same."""
