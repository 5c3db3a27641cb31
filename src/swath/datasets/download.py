"""One file from the internet: whole and verified, or not there at all."""

import logging
import shutil
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pooch
from tqdm import tqdm

from swath.errors import DataError

CHUNK_BYTES = 4096
"""Small, so that a slow download is seen to move."""


@dataclass(frozen=True)
class Timeouts:
    """How long to wait for a server, in seconds.

    Attributes:
      connect_s: for one connection.
      read_s: for the next bytes of one connection.
      silence_s: in all without a single byte, retries included. It also ends what the other two cannot see:
        a name server that does not answer, or an answer that trickles.
      attempts: how often to try; breaks between them are `pause_s`, then twice as long.
      pause_s: the first break.
    """

    connect_s: float = 5
    read_s: float = 8
    silence_s: float = 25
    attempts: int = 3
    pause_s: float = 1


class _Progress:
    """A progress bar on stderr, as pooch asks for, that remembers when the last bytes came."""

    def __init__(self, title: str) -> None:
        self.last_bytes_at = time.monotonic()
        self.abandoned = False
        self._title = title
        self._bar: Any = None  # made when an answer has come: no bar where no byte comes

    @property
    def total(self) -> int | None:
        return None if self._bar is None else self._bar.total

    @total.setter
    def total(self, total: int | None) -> None:
        self.close()
        if self.abandoned:
            raise OSError("given up")
        self._bar = tqdm(
            desc=self._title,
            total=total or None,
            unit="B",
            unit_scale=True,
            file=sys.stderr,
            mininterval=0.1 if sys.stderr.isatty() else 10.0,  # a log file gets a line now and then
        )

    def update(self, size: int) -> None:
        if self.abandoned:
            raise OSError("given up")
        self.last_bytes_at = time.monotonic()
        self._bar.update(size)

    def reset(self) -> None:
        self._bar.reset()

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()


def fetch(url: str, sha256: str, path: Path, patience: Timeouts | None = None) -> Path:
    """Download a file, unless it is already there with the right checksum.

    A download goes on for as long as bytes flow, and is given up when none do. Call it while holding a lock
    on the folder: half a file lies in a folder of its own beside `path`, which the next call removes if this
    one cannot.

    Args:
      url: http or https address.
      sha256: of the whole file, in hex.
      path: where to put the file.
      patience: time-outs; those of `Timeouts` if not given.

    Returns:
      `path`.

    Raises:
      DataError: no network, no answer, or another file than expected; says where to put the file by hand.
    """
    if path.is_file() and pooch.file_hash(str(path), alg="sha256") == sha256:
        return path
    failure = _download(url, sha256, path, patience or Timeouts())
    if failure is None:
        return path
    raise DataError(
        f"cannot download {url}: {failure}; get the file in another way and put it into {path.parent}, "
        "or into any FOLDER and add data.dir=FOLDER"
    )


def _download(url: str, sha256: str, path: Path, patience: Timeouts) -> str | None:
    """Download in a thread that is left alone once it has been silent for too long; returns why it failed."""
    pooch.get_logger().setLevel(logging.WARNING)
    progress = _Progress(path.name)
    staging = path.with_name(f".{path.name}.download")
    shutil.rmtree(staging, ignore_errors=True)
    outcome: list[str | None] = []
    thread = threading.Thread(
        target=lambda: outcome.append(_attempts(url, sha256, path.name, staging, patience, progress)),
        daemon=True,
    )
    try:
        thread.start()
        while thread.is_alive() and time.monotonic() - progress.last_bytes_at < patience.silence_s:
            thread.join(0.05)
        failure = outcome[0] if outcome else f"no answer within {patience.silence_s:g} s"
        if failure is None:
            (staging / path.name).replace(path)
        return failure
    except OSError as error:
        return error.strerror or str(error)
    finally:
        progress.abandoned = True
        progress.close()
        shutil.rmtree(staging, ignore_errors=True)


def _attempts(
    url: str, sha256: str, file_name: str, staging: Path, patience: Timeouts, progress: _Progress
) -> str | None:
    """Try until the file is in the staging folder; returns None, or why the last attempt failed."""
    downloader = pooch.HTTPDownloader(
        progressbar=progress,
        chunk_size=CHUNK_BYTES,
        timeout=(patience.connect_s, patience.read_s),
        headers={"Accept-Encoding": "identity"},  # else the .gz may be unpacked on the way: another checksum
    )
    failure = None
    for attempt in range(patience.attempts):
        if attempt:
            time.sleep(patience.pause_s * 2 ** (attempt - 1))
        try:
            pooch.retrieve(url, f"sha256:{sha256}", fname=file_name, path=staging, downloader=downloader)
            return None
        except OSError as error:  # also the base class of all that requests raises
            failure = _reason(error)
            if progress.abandoned:
                break
        except ValueError:
            return f"what came is another file than expected (its sha256 is not {sha256})"
        except Exception as error:  # anything else would end the thread without a word
            return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
    return failure


def _reason(error: OSError) -> str:
    """One short line; what requests says of a failed connection is several lines of addresses and classes."""
    reasons = {
        "ConnectTimeout": "the server did not answer",
        "ReadTimeout": "the server did not answer",
        "ConnectionError": "no connection to the server",
        "ChunkedEncodingError": "the connection broke off",
        "SSLError": "the server's certificate could not be verified",
        "ProxyError": "no connection to the proxy",
    }
    return reasons.get(type(error).__name__) or error.strerror or " ".join(str(error).split())[:200]
