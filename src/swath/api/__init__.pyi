from .overrides import interval as interval
from .results import SweepResult as SweepResult
from .starting import reproduce as reproduce
from .starting import run as run
from .starting import search as search
from .starting import sweep as sweep
