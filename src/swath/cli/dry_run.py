"""`dry_run=true`: prints the plan of a command, with estimates of its time and of the size of the store."""

from typing import TYPE_CHECKING

from swath import planning
from swath.cli.other_sweepers import OtherSweeper
from swath.cli.output import Output
from swath.cli.progress import duration
from swath.cli.tables import TableData, counted
from swath.cli.validation import CheckedCommand
from swath.config import HEADLINE, computed_values
from swath.datasets import spec_of
from swath.system import available_bytes, hide_passwords, workers
from swath.tracking import check_located, chosen_experiment, default_uri, schema

if TYPE_CHECKING:
    from swath.searching import SearchPlan

MAX_ROWS = 100
"""Listed configurations, and listed groups."""


def print_plan(checked: CheckedCommand, output: Output) -> None:
    """Print the plan. TensorFlow and MLflow are not loaded; nothing is trained or written."""
    experiment, _ = chosen_experiment(checked.sweep.tracking.experiment)
    check_located(checked.sweep.tracking.uri or default_uri(), [experiment])
    if checked.sweeper is not None:
        for line in _chosen_lines(checked.sweeper):
            output.say(line)
        output.say("All configurations share these values:")
        output.table(_shared(checked))
        output.say("No estimate: time and size depend on what the sweeper chooses.")
        output.say("Dry run: nothing was trained or written.")
        return
    widths = _widths(checked)
    groups, at_a_time = _groups_of(checked, widths)
    share = 1.0
    if checked.search is not None:
        for line in _search_lines(checked.search):
            output.say(line)
        full = len(checked.configs) * checked.search.rungs.steps[-1]
        share = checked.search.most_steps / full
    output.say(_heading(groups, len(checked.configs)))
    output.table(_configurations(checked, groups))
    if len(checked.configs) > MAX_ROWS:
        output.say(f"... and {len(checked.configs) - MAX_ROWS} more configurations")
    output.table(_groups(groups, widths.images))
    unverified = widths.unverified(groups) if checked.trains_lanes else []
    if unverified:
        output.say(
            f"{counted(len(unverified), 'width')} not probed on this machine yet; if a width is not "
            "bit-exact, its lane groups become narrower.",
        )
    expected = duration(share * planning.sweep_s(groups, at_a_time, widths.images))
    bytes_ = planning.store_bytes(groups, checked.sweep.tracking.kept, widths.images)
    output.say(
        f"Estimate (based on a 2-core AMD EPYC): {expected} on {counted(workers(), 'core')}, "
        f"{bytes_ / 1e6:,.1f} MB in the store ({_store(checked)}).",
    )
    output.say("Dry run: nothing was trained or written.")


def estimated_s(checked: CheckedCommand) -> float:
    """Estimated training time of a command, in seconds."""
    widths = _widths(checked)
    return planning.sweep_s(*_groups_of(checked, widths), widths.images)


def _widths(checked: CheckedCommand) -> planning.LaneWidths:
    memory_bytes = planning.memory_for_groups(available_bytes())
    keys = {config.data.key for config in checked.configs}
    images = {key: spec_of(key, checked.sweep.data.dir) for key in keys}
    return planning.LaneWidths(checked.sweep.lanes.max, memory_bytes, planning.read_verified(), images)


def _groups_of(checked: CheckedCommand, widths: planning.LaneWidths) -> tuple[list[planning.LaneGroup], int]:
    """The lane groups of a command, and how many are trained at the same time."""
    if checked.trains_lanes:
        return _plan(checked, widths), workers()
    # Any other launcher runs one job at a time.
    return [planning.solo_group(config, job) for job, config in enumerate(checked.configs)], 1


def _plan(checked: CheckedCommand, widths: planning.LaneWidths) -> list[planning.LaneGroup]:
    """The groups of each batch of jobs that the sweeper passes to its launcher."""
    groups = []
    for first in range(0, len(checked.configs), checked.jobs_per_launch):
        batch = checked.configs[first : first + checked.jobs_per_launch]
        groups += [
            planning.renumbered(group, first) for group in planning.plan_groups(batch, widths, workers())
        ]
    return groups


def _heading(groups: list[planning.LaneGroup], count: int) -> str:
    lanes = sum(len(group.lanes) for group in groups)
    return (
        f"{counted(count, 'configuration')}, trained as {counted(lanes, 'lane')} in "
        f"{counted(len(groups), 'lane group')}"
    )


def _shared(checked: CheckedCommand) -> TableData:
    """The fields that the sweeper does not choose."""
    (config,) = checked.configs
    values = {name: str(value) for name, value in computed_values(config).items()}
    return TableData(
        ("field", "value"), [[name, values[name]] for name in values if name not in checked.swept]
    )


def _chosen_lines(sweeper: OtherSweeper) -> list[str]:
    """What another sweeper chooses, and how often."""
    chosen = ", ".join(sweeper.swept) or "the configurations"
    often = "" if sweeper.most is None else f", at most {counted(sweeper.most, 'configuration')}"
    often += "" if sweeper.at_a_time is None else f", {sweeper.at_a_time} at a time"
    heading = f"The sweeper {sweeper.name} chooses {chosen} during the sweep{often}"
    return [f"{heading}{':' if sweeper.lines else '.'}", *(f"  {line}" for line in sweeper.lines)]


def _configurations(checked: CheckedCommand, groups: list[planning.LaneGroup]) -> TableData:
    fields = checked.swept or HEADLINE
    group_of = {
        run.number: place
        for place, group in enumerate(groups, start=1)
        for lane in group.lanes
        for run in lane.runs
        if run.number < MAX_ROWS
    }
    rows = []
    for job, config in enumerate(checked.configs[:MAX_ROWS]):
        values = computed_values(config)
        rows.append([str(job), *(str(values.get(name, "-")) for name in fields), str(group_of[job])])
    return TableData(("job", *fields, "group"), rows)


def _groups(groups: list[planning.LaneGroup], images: planning.Images) -> TableData:
    rows = []
    for number, group in enumerate(groups[:MAX_ROWS], start=1):
        counts = (group.shared.batch_size, group.shared.seed, len(group.lanes), len(group.runs))
        cells = (number, *counts, group.max_steps, f"{planning.training_s(group, images):.1f} s")
        rows.append([str(cell) for cell in cells])
    headings = ("group", schema.BATCH_SIZE, schema.SEED, "lanes", "runs", "steps", "est. training time")
    return TableData(headings, rows)


def _store(checked: CheckedCommand) -> str:
    return hide_passwords(checked.sweep.tracking.uri or default_uri())


def _search_lines(plan: "SearchPlan") -> list[str]:
    """What a search will do at most, in sentences."""
    rounds, rungs = plan.rounds, plan.rungs
    of = f" in {len(rounds)} rounds of {plan.round_size}" if len(rounds) > 1 else ""
    proposed = f"Search: {counted(plan.trials, 'trial')}{of}, proposed by {plan.sampler}"
    lines = [f"{proposed}, ranked by {plan.objective}."]
    if len(rungs.steps) > 1:
        parts = [
            f"{size} to {steps:,}" for size, steps in zip(rungs.sizes(rounds[0]), rungs.steps, strict=True)
        ]
        lines.append(f"Trials of a round, and the steps to which they are trained: {', '.join(parts)}.")
    if best := min(plan.confirm, sum(rungs.most_sizes(size)[-1] for size in rounds)):
        seeds = counted(plan.confirm_seeds, "more seed")
        lines.append(f"Then the best {best} with {seeds} each. At most {plan.most_steps:,} steps in all.")
    else:
        lines.append(f"At most {plan.most_steps:,} steps in all.")
    if plan.held_back:
        lines.append(f"Held back to rank trials: {plan.held_back:,} training images.")
    few = [each.name for each in plan.space.dimensions if each.splits and each.is_number]
    if few:
        lines.append(f"A round has few values of {', '.join(few)}, so that trials share programs.")
    return lines
