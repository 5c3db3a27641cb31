"""Runs read back from a store."""
