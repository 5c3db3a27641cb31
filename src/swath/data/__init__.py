"""Images and labels, from their source to read-only arrays."""

from swath.data.dataset import Dataset
from swath.data.load import check_available, load_dataset, load_intact, rebuild_dataset

__all__ = ["Dataset", "check_available", "load_dataset", "load_intact", "rebuild_dataset"]
