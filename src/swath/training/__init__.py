"""Training and evaluation of lane groups: the only packages beside the model that know TensorFlow."""
