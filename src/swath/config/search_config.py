"""How a search chooses what it trains: `search.*`, settings of a sweep."""

from dataclasses import dataclass
from typing import Any, Optional

from swath.config.constraints import Choice, Flag, Lines, Range
from swath.config.fields import setting

SAMPLER_NAMES = ("qmc", "random", "tpe", "grid")

_STATE = "its state is not in the store, so a search could not be resumed exactly"

OTHER_SAMPLERS = {
    **dict.fromkeys(("cmaes", "nsgaii", "nsgaiii", "gp"), _STATE),
    "bruteforce": "a grid proposes every point",
}
"""Samplers of Optuna that a search of swath does not have, and why; see docs/decisions/search-samplers.md."""

WHEN_EXAMPLE = "preprocessing=standardize: learning_rate=tag(log,interval(1e-5,1e-1))"

OBJECTIVES = ("validation/accuracy", "validation/loss")


@dataclass(frozen=True)
class SearchConfig:
    """A search: which trials it proposes, when it stops one, and when it ends."""

    trials: Optional[int] = setting(  # noqa: UP045  OmegaConf reads this spelling in every version
        Range(1),
        "Trials in all, with those of earlier commands; null: 72, every point, or what a limit allows.",
        "trials",
    )
    sampler: Optional[str] = setting(  # noqa: UP045
        Choice(SAMPLER_NAMES, refused=OTHER_SAMPLERS),
        "How trials are proposed; null: qmc, or grid where there is no interval.",
    )
    seed: int = setting(Range(0, most=2**63 - 1), "Seed of the proposals; `seed` stays that of the batches.")
    round: Optional[int] = setting(  # noqa: UP045
        Range(1),
        "Trials that are proposed together; null: 24 with tpe or a limit, else at most 480; a grid: all.",
        "trials",
    )
    halving: bool = setting(Flag(), "Stop trials at rungs; false: train every trial to max_steps.")
    factor: int = setting(Range(2), "One trial of this many goes on at a rung.", "trials")
    first_steps: Optional[int] = setting(  # noqa: UP045
        Range(1), "Steps of the first rung; null: a tenth of max_steps.", "steps"
    )
    objective: str = setting(Choice(OBJECTIVES), "What trials are ranked by.")
    confirm: int = setting(Range(0), "Finalists that are trained again with other seeds.", "trials")
    confirm_seeds: int = setting(Range(1), "Further seeds of each finalist.", "seeds")
    within_s: Optional[float] = setting(  # noqa: UP045
        Range(above=0), "Time for the search, from the start of the command; null: no limit.", "seconds"
    )
    within_steps: Optional[int] = setting(  # noqa: UP045
        Range(1), "Training steps of all trials and confirming runs, at most; null: no limit.", "steps"
    )
    patience: Optional[int] = setting(  # noqa: UP045
        Range(1), "Rounds without a gain that is more than chance, after which it ends; null: none.", "rounds"
    )
    when: Any = setting(  # noqa: RUF009
        Lines(WHEN_EXAMPLE), "Fields that are searched with some values of another only."
    )
    test: str = setting(Choice(("finalists", "all")), "Trials that are evaluated on the test images.")


SEARCH_DEFAULTS = SearchConfig(
    trials=None,
    sampler=None,
    seed=0,
    round=None,
    halving=True,
    factor=4,
    first_steps=None,
    objective="validation/accuracy",
    confirm=3,
    confirm_seeds=2,
    within_s=None,
    within_steps=None,
    patience=None,
    when=(),
    test="finalists",
)
"""What `conf/base.yaml` says; any other value makes a search of a sweep."""
