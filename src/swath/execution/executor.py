"""The executor that trains lane groups in threads of this process."""

import threading
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping

from swath.config import TrainConfig, computed_values, shared_values
from swath.datasets import Dataset
from swath.execution.group_trainer import CompiledData, GroupTrainer
from swath.execution.tasks import GroupEvent, GroupTask
from swath.models import model_of
from swath.planning import remember_verified, width_key
from swath.system import workers
from swath.training import (
    compile_evaluation,
    compile_program,
    is_bit_exact,
    make_device_data,
    optimizer_of,
)


class ThreadExecutor:
    """Trains a group in the thread that reads its events; keeps data and compiled programs between groups.

    Args:
      datasets: the data sets of all configurations, by name.
      verified: whether a width is bit-exact, by `planning.width_key`; copied, and extended by new checks.
    """

    def __init__(self, datasets: Mapping[str, Dataset], verified: Mapping[str, bool]) -> None:
        self._datasets = datasets
        self._verified = dict(verified)
        self._compiled: dict[object, CompiledData] = {}
        self._compiling = threading.Lock()
        self._stopping = threading.Event()
        self._dropped: defaultdict[str, set[int]] = defaultdict(set)

    def submit(self, task: GroupTask) -> Iterator[GroupEvent]:
        """See `Executor`."""
        shared = task.group.shared
        trainer = GroupTrainer(
            task,
            self._compile(shared),
            lambda lanes: lanes == 1 or self.is_bit_exact(shared, lanes),
            self._stopping.is_set,
            lambda: self._dropped[task.group_id],
        )
        try:
            yield from trainer.train()
        finally:
            self._dropped.pop(task.group_id, None)

    def drop(self, group_id: str, jobs: Collection[int]) -> None:
        """See `Executor`."""
        self._dropped[group_id].update(jobs)

    def is_bit_exact(self, config: TrainConfig, lanes: int) -> bool:
        """See `Executor`; each width is checked once per machine."""
        key = width_key(config, lanes)
        if key not in self._verified:
            self._verified[key] = self._check(config, lanes)
            remember_verified(config, lanes, self._verified[key])
        return self._verified[key]

    def _check(self, config: TrainConfig, lanes: int) -> bool:
        compiled = self._compile(config)
        return is_bit_exact(compiled.program, compiled.evaluate, compiled.data, config.batch_size, lanes)

    def workers(self) -> int:
        """One per core: a group uses one core."""
        return workers()

    def stop(self) -> None:
        """See `Executor`."""
        self._stopping.set()

    def close(self) -> None:
        """Free data and compiled programs."""
        self._compiled.clear()

    def _compile(self, config: TrainConfig) -> CompiledData:
        key = shared_values(config, "program")
        with self._compiling:
            if key not in self._compiled:
                dataset = self._datasets[config.data.name]
                data = make_device_data(dataset, config.data.validation_size, config.preprocessing)
                model = model_of(computed_values(config)).make(dataset.pixels, dataset.num_classes)
                self._compiled[key] = CompiledData(
                    dataset,
                    data,
                    compile_program(data, model, optimizer_of(config)),
                    compile_evaluation(data, model),
                )
            return self._compiled[key]
