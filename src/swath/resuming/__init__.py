"""A sweep that was cut off, taken up: what is there, what has drifted since, where each run goes on."""
