"""A fixed amount of work of the kinds that a command does, by which machines are compared.

It uses nothing of swath, TensorFlow or MLflow, so only the machine, Python, NumPy and SQLite change its time.
"""

import json
import sqlite3
import zlib

import numpy as np

ROUNDS = 12


def work() -> float:
    """Interpret, compress, store and multiply; returns a number that depends on all of it."""
    random = np.random.default_rng(0)
    found = 0.0
    for _ in range(ROUNDS):
        values = random.normal(size=20_000)
        rows = [(f"name {index % 7}", index, value) for index, value in enumerate(values.tolist())]
        with sqlite3.connect(":memory:") as database:
            database.execute(
                "create table steps (name text, step integer, value real, primary key (name, step))"
            )
            database.executemany("insert into steps values (?, ?, ?)", rows)
            found += database.execute("select sum(value) from steps").fetchone()[0]
        text = json.dumps(rows)
        found += len(zlib.compress(text.encode(), 6)) + len(json.loads(text))
        matrix = random.normal(size=(400, 400)).astype(np.float32)
        found += float((matrix @ matrix).sum())
    return found


if __name__ == "__main__":
    print(work())
