"""How people train and track a grid without swath. Nothing in here knows swath."""
