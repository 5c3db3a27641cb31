"""Tracking: the only package that knows MLflow, in a process of its own beside the training."""
