"""A small convolutional network for swath: `swath model=convnet`.

Every command of swath reads this file, so it imports neither TensorFlow nor `network.py`.
"""

from swath.config import Range, model_field
from swath.models import OwnModel

CONVNET = OwnModel(
    name="convnet",
    make="swath_convnet.network:make",
    fields={
        "filters": model_field(8, Range(1, most=256), "Filters of the convolution.", unit="filters"),
        "kernel_size": model_field(5, Range(1, most=15), "Rows and columns of a filter.", unit="pixels"),
    },
    help="One convolution, the largest value of each 4 x 4 patch, and a full layer.",
)
