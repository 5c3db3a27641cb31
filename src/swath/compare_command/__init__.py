"""The command `swath-compare`: sweeps, rankings and differences on the screen or in files."""
