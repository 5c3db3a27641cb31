"""What a person sees when a command has ended: the ranked table, what failed, what to type next."""

import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from rich.console import Console
from rich.table import Table

from swath.config.datasets import DATASETS
from swath.config.fields import computed_values
from swath.launch import Launch, RunResult
from swath.ranking import Ranking, rank
from swath.tracking.records import StoreInfo

UI_ADDRESS = "http://127.0.0.1:5000"


def print_sweep(results: Sequence[RunResult], launch: Launch, store: StoreInfo, console: Console, wall_s: float) -> None:
    """Print the ranked table of a sweep, its failures, and how to see it."""
    finished = [result for result in results if result.status == "FINISHED"]
    if finished:
        ranking = rank([result.metrics for result in finished])
        console.print(_table([finished[index] for index in ranking.order], launch.swept))
        _print_ranking_note(ranking, finished, console)
    for result in results:
        if result.status != "FINISHED":
            name = _configuration(result, launch.swept)
            console.print(f"{result.status} {name}: {result.error} (run {result.run_id})", **_PLAIN)
    console.print(
        f"{len(finished)} of {len(results)} configurations finished in {wall_s:.1f} s; sweep "
        f"{launch.sweep}, id {launch.sweep_id}",
        **_PLAIN,
    )
    _print_next(store, console, _sweep_address(store, launch))


def print_single(result: RunResult, store: StoreInfo, console: Console) -> None:
    """Print a single run's id, and how to see it."""
    if result.error is not None:
        console.print(f"{result.status}: {result.error}", **_PLAIN)
    if result.run_id is None:
        return
    console.print(f"Run {result.run_id}", **_PLAIN)
    _print_next(store, console, f"#/experiments/{store.experiment_id}/runs/{result.run_id}")


_PLAIN = {"highlight": False, "markup": False, "soft_wrap": True}


def _table(ranked: Sequence[RunResult], swept: Sequence[str]) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("rank", justify="right")
    for field in swept:
        table.add_column(field, justify="right", no_wrap=True)
    with_validation = any("validation/accuracy" in result.metrics for result in ranked)
    columns = ["train", *(["validation"] if with_validation else []), "test"]
    for column in columns:
        table.add_column(f"{column}\naccuracy", justify="right")
    table.add_column("time\ns", justify="right")
    table.add_column("run", no_wrap=True)
    for place, result in enumerate(ranked, start=1):
        values = computed_values(result.config)
        accuracies = [result.metrics.get(f"{column}/accuracy") for column in columns]
        table.add_row(
            str(place),
            *(str(values[field]) for field in swept),
            *("" if accuracy is None else f"{accuracy:.4f}" for accuracy in accuracies),
            f"{result.metrics['runtime/total_s']:.2f}",
            result.run_id,
            style="bold" if place == 1 else None,
        )
    return table


def _print_ranking_note(ranking: Ranking, results: Sequence[RunResult], console: Console) -> None:
    if ranking.split == "test":
        images = DATASETS[results[0].config.data.name].train_images // 10
        console.print(
            "Ranked by test/accuracy, because no images were held back for validation. To rank without "
            f"looking at the test set, add data.validation_size={images}",
            **_PLAIN,
        )
    else:
        console.print(f"Ranked by {ranking.metric}.", **_PLAIN)


def _configuration(result: RunResult, swept: Sequence[str]) -> str:
    values = computed_values(result.config)
    return " ".join(f"{field}={values[field]}" for field in swept) or "the same configuration"


def _sweep_address(store: StoreInfo, launch: Launch) -> str:
    condition = quote(f"tags.`swath.sweep_id` = '{launch.sweep_id}'", safe="")
    return (
        f"#/experiments/{store.experiment_id}/runs?searchFilter={condition}"
        "&compareRunsMode=CHART&workflowType=machine_learning"
    )


def _print_next(store: StoreInfo, console: Console, address: str) -> None:
    if store.uri.startswith(("http://", "https://")):
        console.print(f"See it: {store.uri.rstrip('/')}/{address}", **_PLAIN)
        return
    default = f"sqlite:///{Path('mlflow.db').resolve()}"
    backend = "" if store.uri in ("sqlite:///mlflow.db", default) else f" --backend-store-uri {store.uri}"
    console.print(f"See it: {_mlflow_command()} ui{backend}", **_PLAIN)
    console.print(f"  then open {UI_ADDRESS}/{address}", **_PLAIN)


def _mlflow_command() -> str:
    """What to type to start MLflow: its name, or its path where it is not on PATH."""
    if shutil.which("mlflow"):
        return "mlflow"
    beside = Path(sys.executable).parent / "mlflow"
    return str(beside.relative_to(Path.cwd())) if beside.is_relative_to(Path.cwd()) else str(beside)
