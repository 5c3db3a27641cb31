"""Measures swath against the lower limit of a step and against other ways of training and tracking."""
