"""Finds the bit-exact widths by batch size.

`python -m benchmarks.widths` prints a Markdown table for this machine (minutes; needs CIFAR-10).
"""

from collections.abc import Sequence

from swath.datasets import load_dataset
from swath.models import MODELS
from swath.training import (
    GradientDescent,
    compile_evaluation,
    compile_program,
    is_bit_exact,
    make_device_data,
)
from swath.training.bit_exactness import STEPS

BATCH_SIZES = (1, 2, 3, 7, 13, 16, 31, 50, 97, 100, 150, 200, 331, 500, 997, 1000)
WIDTHS = range(2, 65)


def ranges(numbers: Sequence[int]) -> str:
    """`2-24, 26` for the numbers 2 to 24 and 26."""
    parts: list[list[int]] = []
    for number in numbers:
        if parts and number == parts[-1][1] + 1:
            parts[-1][1] = number
        else:
            parts.append([number, number])
    return ", ".join(f"{low}-{high}" if low < high else str(low) for low, high in parts) or "none"


def main() -> None:
    """Probe every width for every batch size, and print the table."""
    data = make_device_data(load_dataset("cifar10"), 0, "mean_image")
    model = MODELS["softmax_regression"].make({}, len(data.statistics.shift), 10)
    program, evaluate = compile_program(data, model, GradientDescent()), compile_evaluation(data, model)
    print(f"| batch size | bit-exact widths from {WIDTHS[0]} to {WIDTHS[-1]}, probed with {STEPS} steps |")
    print("|---:|---|")
    for batch_size in BATCH_SIZES:
        exact = [width for width in WIDTHS if is_bit_exact(program, evaluate, data, batch_size, width)]
        print(f"| {batch_size} | {ranges(exact)} |", flush=True)


if __name__ == "__main__":
    main()
