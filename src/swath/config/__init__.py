"""Configuration: names, types, units, checks and identity of what a run computes."""
