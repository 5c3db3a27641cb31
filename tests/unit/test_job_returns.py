"""What a sweeper gets back for each job: the same configs, kept as differences."""

import pickle
from pathlib import Path

from hydra.core.utils import JobReturn, JobStatus
from omegaconf import DictConfig, OmegaConf

from hydra_plugins.swath_lanes._job_returns import PackedJobReturn


def job(number: int, values: int = 300) -> JobReturn:
    done = JobReturn(overrides=[f"seed={number}"], working_dir=str(Path(f"multirun/{number}")))
    done.cfg = OmegaConf.create({"seed": number, **{f"value{index}": f"{index}" for index in range(values)}})
    done.hydra_cfg = OmegaConf.create({"hydra": {"job": {"num": number}}})
    done.status, done.return_value = JobStatus.COMPLETED, 0.25
    return done


def packed(count: int) -> list[PackedJobReturn]:
    first = PackedJobReturn().pack(job(0))
    return [first, *(first.pack(job(number)) for number in range(1, count))]


def test_everything_of_a_job_is_had_again() -> None:
    for number, found in enumerate(packed(3)):
        expected = job(number)
        assert isinstance(found.cfg, DictConfig)
        assert (found.cfg, found.hydra_cfg) == (expected.cfg, expected.hydra_cfg)
        assert (found.overrides, found.working_dir) == (expected.overrides, expected.working_dir)
        assert (found.status, found.return_value) == (JobStatus.COMPLETED, 0.25)


def test_packed_jobs_can_be_handed_to_another_process() -> None:
    again = pickle.loads(pickle.dumps(packed(2)))
    assert [found.cfg.seed for found in again] == [0, 1]


def test_job_that_was_never_composed_has_no_config() -> None:
    found = PackedJobReturn().pack(JobReturn(overrides=["seed=0"]))
    assert (found.cfg, found.hydra_cfg) == (None, None)
    assert found.pack(job(1)).cfg.seed == 1


def test_jobs_are_kept_as_differences() -> None:
    few, many = (len(pickle.dumps(packed(count))) for count in (1, 101))
    assert (many - few) / 100 < 600
    assert len(pickle.dumps(job(0))) > 10_000
