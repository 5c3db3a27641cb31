"""The TPE sampler: proposes points near good results, with Optuna's estimator."""

import contextlib
import math
import warnings
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from swath.errors import ConfigError
from swath.searching.sampling import QmcSampler, RandomSampler, Told, seed_of
from swath.searching.space import Dimension, Point, Space

if TYPE_CHECKING:
    import optuna
    from optuna.distributions import BaseDistribution

LEAST_RESULTS = 12
"""Results that a rung must have before TPE learns from it: on few, it learns the luck of the seed."""

MOST_REPEATS = 24
"""Points that TPE may propose again in a round, before the rest of the round is drawn at random."""

OLDEST = 5
"""Major version of Optuna: earlier ones propose other points."""

EXTRA = "pip install 'swath[search]'"
"""What installs Optuna."""


class TpeSampler:
    """Optuna's tree-structured Parzen estimator (Bergstra et al. 2011; multivariate, Falkner et al. 2018).

    It begins as `QmcSampler` does. Each round that learns has a study of its own in memory, filled with the
    results and seeded by the round, so the history of the search is its whole state.
    """

    def __init__(self, space: Space, seed: int) -> None:
        check_optuna()
        self._space, self._seed = space, seed
        self._start = QmcSampler(space, seed)
        self._rest = RandomSampler(space, seed)

    def candidates(
        self, round_number: int, told: Sequence[Told], waiting: Sequence[Point] = ()
    ) -> Iterator[Point]:
        """See `Sampler`. It learns from the highest rung that has `LEAST_RESULTS` results."""
        known = learned_from(told)
        if not known:
            yield from self._start.candidates(round_number, told, waiting)
            return
        with _quiet():
            study = self._study(round_number, known, waiting)
        seen = {_key(result.point) for result in told} | {_key(point) for point in waiting}
        repeats = 0
        while repeats < MOST_REPEATS:
            # The trial stays open, so that the next one keeps away from it ("constant liar").
            point = self._suggested(study.ask())
            repeats += _key(point) in seen
            seen.add(_key(point))
            yield point
        yield from self._rest.candidates(round_number, told, waiting)

    def _study(self, round_number: int, known: Sequence[Told], waiting: Sequence[Point]) -> "optuna.Study":
        """A study that knows results, and which points have none yet."""
        import optuna

        sampler = optuna.samplers.TPESampler(
            n_startup_trials=LEAST_RESULTS,
            seed=seed_of(self._seed, "tpe", round_number),
            multivariate=True,
            # Dimensions that do not always exist are then modelled where they do.
            group=any(dimension.when is not None for dimension in self._space.dimensions),
            constant_liar=True,
        )
        study = optuna.create_study(direction="maximize", sampler=sampler)
        # Only the order of values counts, so a failed trial is worse than any other.
        study.add_trials(
            [self._trial(each.point, -math.inf if each.value is None else each.value) for each in known]
        )
        study.add_trials([self._trial(point, None) for point in waiting])
        return study

    def _trial(self, point: Point, value: float | None) -> "optuna.trial.FrozenTrial":
        """A finished trial of Optuna, or a running one if there is no value."""
        import optuna

        found = [
            each
            for each in self._space.dimensions
            if each.name in point and self._space.existing(point, each)
        ]
        state = optuna.trial.TrialState.RUNNING if value is None else optuna.trial.TrialState.COMPLETE
        return optuna.trial.create_trial(
            state=state,
            params={each.label: each.value(point[each.name]) for each in found},
            distributions={each.label: _distribution(each) for each in found},
            value=value,
        )

    def _suggested(self, trial: "optuna.Trial") -> Point:
        """The point that Optuna proposes."""
        point: dict[str, str] = {}
        for each in self._space.dimensions:
            if not self._space.existing(point, each):
                continue
            if each.choices:
                point[each.name] = trial.suggest_categorical(each.label, each.choices)
            elif each.whole:
                low, high = int(each.low), int(each.high)
                point[each.name] = each.text(trial.suggest_int(each.label, low, high, log=each.log))
            else:
                point[each.name] = each.text(
                    trial.suggest_float(each.label, each.low, each.high, log=each.log)
                )
        return point


def learned_from(told: Sequence[Told]) -> list[Told]:
    """The results from which TPE learns: those of the highest rung that has enough, and failures before it.

    Results of different rungs are never compared: a trial is better at a later one without being better.
    """
    for rung in sorted({result.rung for result in told}, reverse=True):
        known = [each for each in told if each.rung == rung or (each.value is None and each.rung < rung)]
        if sum(each.value is not None for each in known) >= LEAST_RESULTS:
            return known
    return []


def check_optuna() -> None:
    """Check that Optuna can be used.

    Raises:
      ConfigError: it is not installed, or it is too old.
    """
    others = "or choose search.sampler=qmc or random"
    try:
        import optuna
    except ImportError as error:
        raise ConfigError([f"search.sampler=tpe needs Optuna; install it: {EXTRA}, {others}"]) from error
    if int(optuna.__version__.partition(".")[0]) < OLDEST:
        found = f"found {optuna.__version__}"
        raise ConfigError(
            [f"search.sampler=tpe needs Optuna {OLDEST} or later, {found}; install it: {EXTRA}, {others}"]
        )


def _distribution(dimension: Dimension) -> "BaseDistribution":
    """The distribution that the `suggest` functions give a dimension."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if dimension.choices:
        return CategoricalDistribution(dimension.choices)
    if dimension.whole:
        return IntDistribution(int(dimension.low), int(dimension.high), log=dimension.log)
    return FloatDistribution(dimension.low, dimension.high, log=dimension.log)


def _key(point: Point) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(point.items()))


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Hide that a study is created, and that `group` of the sampler is experimental."""
    import optuna

    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            yield
    finally:
        optuna.logging.set_verbosity(before)
