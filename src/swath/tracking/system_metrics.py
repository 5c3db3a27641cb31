"""MLflow's system metrics of one run, where MLflow's own variable asks for them."""

import logging
import os
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

VARIABLE = "MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING"


class SystemMetrics:
    """Use of processor, memory, disk and network while a command runs, as `system/...` metrics.

    They describe the machine, which all lanes share. So one run has them: the summary run of a sweep, or the
    single run. MLflow reads the interval from `MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL`.
    """

    def __init__(self) -> None:
        self._monitor: SystemMetricsMonitor | None = None
        self._lock = threading.Lock()  # runs of a server begin side by side

    def start(self, uri: str, run_id: str, resumed: bool) -> None:
        """Measure for a run, unless another run is being measured or nobody asked.

        Args:
          uri: address of the store.
          run_id: id of the run.
          resumed: whether the run may have system metrics of an earlier command.
        """
        with self._lock:
            if self._monitor is not None or VARIABLE not in os.environ:
                return
            from mlflow.environment_variables import MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING
            from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

            if not MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING.get():
                return
            # Its notes would break into the progress bar.
            logging.getLogger("mlflow.system_metrics").setLevel(logging.ERROR)
            self._monitor = SystemMetricsMonitor(run_id, resume_logging=resumed, tracking_uri=uri)
            self._monitor.start()

    def finish(self) -> None:
        """Store what has been measured; call it before the run ends."""
        with self._lock:
            if self._monitor is not None:
                self._monitor.finish()
                self._monitor = None
