"""The lanes launcher: job returns, and the YAML files of job configs."""

import pickle
from typing import Any

from hydra.core.utils import JobReturn, JobStatus
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import DictConfig, OmegaConf

from hydra_plugins.swath_lanes._job import LazyJobReturn
from swath.config import IncrementalYaml

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False),
    st.text("ab: #'\"-\n\tü0", max_size=90),
    st.sampled_from(["null", "1e-6", "yes", "${a.b}", "", "0x10"]),
)
keys = st.text("abc_0", min_size=1, max_size=4)
values = st.recursive(
    scalars, lambda part: st.lists(part, max_size=3) | st.dictionaries(keys, part, max_size=3)
)
configs = st.dictionaries(keys, values, max_size=4)


@settings(max_examples=200)
@given(st.lists(configs, min_size=1, max_size=4))
def test_incremental_yaml_equals_that_of_omegaconf(several: list[dict[str, Any]]) -> None:
    incremental = IncrementalYaml()
    for config in several:
        assert incremental.dump(config) == OmegaConf.to_yaml(OmegaConf.create(config))


def test_incremental_yaml_distinguishes_equal_values_of_different_types() -> None:
    incremental = IncrementalYaml()
    texts = [incremental.dump({"x": value}) for value in (1, True, 1.0, "1")]
    assert texts == ["x: 1\n", "x: true\n", "x: 1.0\n", "x: '1'\n"]


def test_job_return_composes_its_configs_on_access() -> None:
    composed: list[int] = []

    def compose() -> DictConfig:
        composed.append(1)
        return OmegaConf.create({"seed": 3, "hydra": {"job": {"num": 0}}})

    found = LazyJobReturn()
    assert (found.cfg, found.hydra_cfg) == (None, None)
    found._config = compose
    assert not composed
    assert (found.cfg, found.hydra_cfg) == ({"seed": 3}, {"hydra": {"job": {"num": 0}}})
    found.cfg.seed = 4
    assert found.cfg.seed == 3


def test_job_return_is_pickled_as_hydras_job_return_with_configs() -> None:
    found = LazyJobReturn()
    found._config = lambda: OmegaConf.create({"seed": 3, "hydra": {"job": {"num": 0}}})
    found.overrides = ["seed=3"]
    found.status = JobStatus.COMPLETED
    found.return_value = 0.5
    copied = pickle.loads(pickle.dumps(found))
    assert type(copied) is JobReturn
    assert (copied.cfg, copied.hydra_cfg) == ({"seed": 3}, {"hydra": {"job": {"num": 0}}})
    assert (copied.overrides, copied.status, copied.return_value) == (["seed=3"], JobStatus.COMPLETED, 0.5)
