"""An S3-compatible object store in memory (moto), for the duration of a block."""

import contextlib
import importlib.util
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from support.server import free_port

LOGIN = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}


def has_moto() -> bool:
    """Whether moto and boto3 are installed."""
    return all(importlib.util.find_spec(name) is not None for name in ("moto", "boto3"))


@contextlib.contextmanager
def object_store(folder: Path, bucket: str) -> Iterator[dict[str, str]]:
    """Run the store with one bucket; yields the variables that a program needs to use it."""
    port = free_port()
    variables = {**LOGIN, "MLFLOW_S3_ENDPOINT_URL": f"http://127.0.0.1:{port}"}
    with (folder / "moto.log").open("w") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
            env={**os.environ, **variables},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        _make_bucket(variables, bucket, server)
        yield variables
    finally:
        server.terminate()
        server.wait(20)


def _make_bucket(variables: dict[str, str], bucket: str, server: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 60
    client = bucket_client(variables)
    while True:
        try:
            client.create_bucket(Bucket=bucket)
            return
        except Exception:
            assert server.poll() is None and time.monotonic() < deadline, "the object store did not start"
            time.sleep(0.2)


def bucket_client(variables: dict[str, str]) -> Any:
    """A client of the store."""
    import boto3

    return boto3.client(
        "s3",
        endpoint_url=variables["MLFLOW_S3_ENDPOINT_URL"],
        aws_access_key_id=variables["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=variables["AWS_SECRET_ACCESS_KEY"],
        region_name=variables["AWS_DEFAULT_REGION"],
    )


def keys_in(variables: dict[str, str], bucket: str) -> list[str]:
    """The names of all objects of a bucket."""
    pages = bucket_client(variables).get_paginator("list_objects_v2").paginate(Bucket=bucket)
    return [entry["Key"] for page in pages for entry in page.get("Contents", [])]
