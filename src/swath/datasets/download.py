"""Download of one file: complete and verified, or not there at all."""

import contextlib
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


@dataclass(frozen=True)
class Timeouts:
    """Limits of a download.

    Attributes:
      connect_s: seconds to wait for a connection.
      read_s: seconds to wait for the next bytes.
      total_s: seconds for the whole download, retries included.
      retries: attempts after a failed one; pooch waits 1 s before the first, 2 s before the second.
    """

    connect_s: float = 5
    read_s: float = 8
    total_s: float = 3600
    retries: int = 2


def fetch(url: str, sha256: str, path: Path, timeouts: Timeouts | None = None) -> Path:
    """Download a file, unless it is already there with the right checksum.

    Hold a lock on the folder during the call: an incomplete file lies in a folder beside `path`, which the
    next call removes if this one is killed.

    Args:
      url: http or https address.
      sha256: of the file, in hex.
      path: where to put the file.
      timeouts: defaults to `Timeouts()`.

    Returns:
      `path`.

    Raises:
      DataError: the download failed or delivered another file; the text says where to put the file by hand.
    """
    if path.is_file() and pooch.file_hash(str(path), alg="sha256") == sha256:
        return path
    timeouts = timeouts or Timeouts()
    staging = path.with_name(f".{path.name}.download")
    shutil.rmtree(staging, ignore_errors=True)
    outcome: list[str | None] = []  # why the download failed, or None

    def download() -> None:
        try:
            _download(url, sha256, staging / path.name, timeouts)
            outcome.append(None)
        except Exception as error:
            outcome.append(_reason(error))

    # A thread, as no time-out of requests ends a response that sends one byte of a header now and then.
    thread = threading.Thread(target=download, daemon=True)
    try:
        thread.start()
        thread.join(timeouts.total_s)
        failure = outcome[0] if outcome else f"not complete after {timeouts.total_s:g} s"
        if failure is None:
            return (staging / path.name).replace(path)
    except OSError as error:
        failure = _reason(error)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    raise DataError(
        f"cannot download {url}: {failure}; get the file in another way and put it into {path.parent}, "
        "or into any FOLDER and add data.dir=FOLDER"
    )


class _Progress:
    """Shows the progress of one attempt on stderr, from its first byte on, and ends it at the deadline."""

    total = 0  # set by pooch

    def __init__(self, title: str, ends_at: float) -> None:
        self._title = title
        self._ends_at = ends_at
        self._bar: Any = None

    def update(self, size: int) -> None:
        if time.monotonic() > self._ends_at:
            raise TimeoutError("not complete in time")
        if self._bar is None:
            interval_s = 0.1 if sys.stderr.isatty() else 10.0  # a log file gets a line now and then
            total = self.total or None
            self._bar = tqdm(desc=self._title, total=total, unit="B", unit_scale=True, mininterval=interval_s)
        self._bar.update(size)

    def reset(self) -> None:
        if self._bar is not None:
            self._bar.reset()

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()


def _download(url: str, sha256: str, path: Path, timeouts: Timeouts) -> None:
    pooch.get_logger().setLevel(logging.WARNING)
    ends_at = time.monotonic() + timeouts.total_s

    def attempt(url: str, output_file: str, _: pooch.Pooch) -> None:
        with contextlib.closing(_Progress(path.name, ends_at)) as progress:
            get = pooch.HTTPDownloader(
                progressbar=progress,
                chunk_size=1 << 14,
                timeout=(timeouts.connect_s, timeouts.read_s),
                headers={"Accept-Encoding": "identity"},  # else a .gz may be unpacked on the way
            )
            get(url, output_file, None)
        if pooch.file_hash(output_file, alg="sha256") != sha256:  # retrying would deliver the same file
            raise DataError(f"the server delivered another file than expected (its sha256 is not {sha256})")

    downloads = pooch.create(
        path=path.parent,
        base_url="",
        registry={path.name: f"sha256:{sha256}"},
        urls={path.name: url},
        retry_if_failed=timeouts.retries,
    )
    downloads.fetch(path.name, downloader=attempt)


def _reason(error: Exception) -> str:
    """The error in one short line; requests describes a failed connection by addresses and classes."""
    reasons = {
        "ConnectTimeout": "the server did not answer",
        "ReadTimeout": "the server did not answer",
        "ConnectionError": "no connection to the server",
        "ChunkedEncodingError": "the connection broke off",
        "SSLError": "the server's certificate could not be verified",
        "ProxyError": "no connection to the proxy",
    }
    text = getattr(error, "strerror", None) or " ".join(str(error).split())[:200]
    return reasons.get(type(error).__name__) or text or type(error).__name__
