"""A Hydra launcher that hands all jobs of a sweep over in one call, and the sweeper that goes with it."""
