"""A run's weights as an MLflow model."""
