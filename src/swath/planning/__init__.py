"""Plans lane groups, their widths and their cost; does not need TensorFlow."""

from swath.lazy import attach

__getattr__, __dir__, __all__ = attach(__name__, __file__)
