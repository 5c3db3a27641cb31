from .entry import swath as swath
from .entry import swath_compare as swath_compare
from .entry import swath_reproduce as swath_reproduce
