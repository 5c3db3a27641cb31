from .launcher import MAX_RESTARTS as MAX_RESTARTS
from .launcher import PUT_DOWN as PUT_DOWN
from .launcher import Launcher as Launcher
from .launcher import Resources as Resources
from .launcher import States as States
from .launcher import TaskState as TaskState
from .processes import ProcessLauncher as ProcessLauncher
from .slurm import SlurmLauncher as SlurmLauncher
