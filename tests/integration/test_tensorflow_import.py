"""TensorFlow, of which swath loads parts when they are used, offers what it offers otherwise."""

import json
import subprocess
import sys

import pytest

LISTED = """
import json, os, sys, types
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
for first in sys.argv[1].split():  # modules of the API whose loading imports modules of TensorFlow's folders
    getattr(tf, first).__doc__
    dir(getattr(tf, first))
parts = {name: part for name, part in vars(tf).items() if isinstance(part, types.ModuleType)}
public = {name: part for name, part in parts.items() if name[0] != "_"}
names = {name: [each for each in dir(part) if each[0] != "_"] for name, part in public.items()}
deeper = [tf.compat.v1.Session, tf.distribute.has_strategy, tf.lite.TFLiteConverter, tf.keras.layers.Dense]
print(json.dumps([names, [str(each.__name__) for each in deeper]]))
"""


def listed(importing: str, first: str) -> list[object]:
    done = subprocess.run(
        [sys.executable, "-c", importing + LISTED, first],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found: list[object] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.fixture(scope="module")
def expected() -> list[object]:
    return listed("import tensorflow as tf", "")


@pytest.mark.parametrize("first", ["", "distribute lite", "compat"])
def test_api_is_whole(first: str, expected: list[object]) -> None:
    assert listed("from swath.models import tf", first) == expected


def test_most_of_the_api_is_not_loaded_by_a_program_of_swath() -> None:
    code = "import sys; from swath.models import tf; print('keras' in sys.modules, len(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True
    )
    keras, modules = done.stdout.split()
    assert keras == "False"
    assert int(modules) < 1_600  # 2,400 with all parts of the API


def test_nothing_is_written_when_a_part_is_loaded() -> None:
    code = "from swath.models import tf; tf.compat.v1, tf.distribute.has_strategy, tf.profiler.experimental"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True
    )
    assert (done.stdout, done.stderr) == ("", "")


def test_threads_that_use_different_parts_first_leave_the_names_of_the_api() -> None:
    code = """
import sys, threading
from swath.models import tf
part, found = vars(tf)["distribute"], []
uses = [lambda: tf.compat.v1, lambda: tf.distribute.has_strategy, lambda: part.has_strategy]
threads = [threading.Thread(target=lambda use=use: found.append(use())) for use in uses]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(len(found), vars(tf)["distribute"] is part)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True
    )
    assert done.stdout.split() == ["3", "True"], done.stderr[-2000:]
