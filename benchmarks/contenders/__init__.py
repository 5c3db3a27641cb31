"""Common ways to train and track a grid without swath. These scripts do not import swath."""
