"""A run of the store trained again from its config, and compared with what is stored."""
