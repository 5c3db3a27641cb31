"""Pictures of a sweep, readable in black and white."""
