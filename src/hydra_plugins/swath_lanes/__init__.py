"""A Hydra launcher that starts all jobs of a sweep with one call, and the sweeper that goes with it."""
