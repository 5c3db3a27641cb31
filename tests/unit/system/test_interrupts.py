"""A signal interrupts a command, also when it arrives just before the main thread goes to sleep."""

import subprocess
import sys

import pytest

# A signal that another thread receives leaves the main thread as one does that arrives a moment before it
# sleeps: Python has noted it, and nothing interrupts the sleep.
UNNOTICED = """
import os, signal, subprocess, sys, threading, time
from swath.system import Interrupted, interrupt_on

def blocked():
    {blocked}

interrupt_on([signal.SIGTERM, signal.SIGUSR1])
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM, signal.SIGUSR1])
for number in {numbers}:
    threading.Timer(0.2, os.kill, (os.getpid(), number)).start()
    try:
        blocked()
    except Interrupted as interrupt:
        print(interrupt, interrupt.exit_status, flush=True)
"""

WAITS = {
    "a lock": "lock = threading.Lock(); lock.acquire(); lock.acquire()",
    "a future": "from concurrent.futures import Future; Future().result()",
    "a pipe": "os.read(os.pipe()[0], 1)",
    "a process": "subprocess.run([sys.executable, '-c', 'import time; time.sleep(60)'])",
    "a sleep": "time.sleep(60)",
}


@pytest.mark.parametrize("wait", WAITS)
def test_signal_that_does_not_interrupt_a_wait_wakes_the_main_thread(wait: str) -> None:
    code = UNNOTICED.format(blocked=WAITS[wait], numbers="[signal.SIGTERM, signal.SIGUSR1, signal.SIGTERM]")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30)
    assert done.stderr == ""
    assert done.stdout.splitlines() == ["SIGTERM 143", "SIGUSR1 138", "SIGTERM 143"]


def test_one_signal_interrupts_once() -> None:
    code = """
import os, signal, time
from swath.system import Interrupted, interrupt_on

interrupt_on([signal.SIGTERM])
for _ in range(20):
    try:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(10)
    except Interrupted:
        pass
    time.sleep(0.02)  # a second interrupt would end this
print("done")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("done\n", "")


def test_other_numbers_are_added_and_a_fork_is_interrupted_too() -> None:
    code = """
import os, signal, threading
from swath.system import Interrupted, interrupt_on

interrupt_on([signal.SIGTERM])
interrupt_on([signal.SIGUSR1])
if child := os.fork():
    raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
interrupt_on([signal.SIGHUP])
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGHUP])
threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGHUP)).start()
try:
    threading.Event().wait()
except Interrupted as interrupt:
    os._exit(interrupt.exit_status)
"""
    quiet = ["-W", "ignore::DeprecationWarning"]  # Python 3.12 warns of forks beside threads
    done = subprocess.run([sys.executable, *quiet, "-c", code], capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stderr) == (129, "")
