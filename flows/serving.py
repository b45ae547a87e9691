"""Serves the retraining flow on a schedule, with a Prefect server of its own if there is none."""

import argparse
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from prefect import Flow
from prefect.client.schemas.schedules import CronSchedule
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows import command, entry
from pipelines.shared.errors import UserError

HOST = "127.0.0.1"
STARTUP_SECONDS = 120.0


def serve(
    flow: Flow[..., Any],
    parser: argparse.ArgumentParser,
    parameters: dict[str, Any],
    cron: str,
    port: int,
) -> int:
    """Runs a flow on a schedule until it is stopped.

    Args:
        flow: Of a module under its own name, not `__main__`: Prefect imports it anew for each run.
        parser: Tells wrong usage.
        parameters: Of the flow; `systems` are keys of `params.yaml`, or None for all of them.
        cron: The schedule, in the five fields of cron.
        port: Of the server that is started where `PREFECT_API_URL` names none.

    Returns:
        The exit code.
    """
    # Prefect listens for this signal only once it serves; until then it would leave the server behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        CronSchedule(cron=cron)
    except ValueError:
        parser.error(f'--cron expects five fields as in "0 3 * * *", not "{cron}"')
    try:
        entry.check(parameters["systems"] or [])
        with server(port) as url:
            print(f'retraining is scheduled at "{cron}"; runs: {url.removesuffix("/api")}')
            sys.stdout.flush()
            flow.serve(
                name="scheduled",
                cron=cron,
                parameters=parameters,
                limit=1,
                print_starting_message=False,
            )
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130
    return 0


@contextmanager
def server(port: int) -> Iterator[str]:
    """Gives the address of a Prefect server that runs schedules.

    The temporary server that Prefect starts by itself runs none, so where `PREFECT_API_URL` is not
    set a whole one is started on this machine's loopback, and stopped at the end.

    Raises:
        UserError: No server answers, or none can be started.
    """
    if url := PREFECT_API_URL.value():
        if not _answers(url):
            raise UserError(
                f"PREFECT_API_URL is {url}, but no Prefect server answers there: "
                "start it with `prefect server start`, or unset PREFECT_API_URL"
            )
        yield url
        return
    _check_free(port)
    url = f"http://{HOST}:{port}/api"
    start = ["server", "start", "--host", HOST, "--port", str(port)]
    process = subprocess.Popen(
        [sys.executable, "-m", "prefect", *start],
        cwd=Path.home(),  # not the project: the server has nothing to do with it
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PREFECT_API_URL": url},
        start_new_session=True,
    )
    try:
        _wait(process, url)
        with temporary_settings({PREFECT_API_URL: url}):
            yield url
    finally:
        # An interrupt has it wait for connections that are open.
        command.stop(process, first=signal.SIGTERM)


def _check_free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            raise UserError(
                f"port {port} of {HOST} is taken: choose another with --port, or set "
                f"PREFECT_API_URL=http://{HOST}:{port}/api if a Prefect server runs there"
            ) from None


def _wait(process: subprocess.Popen, url: str) -> None:
    end = time.monotonic() + STARTUP_SECONDS
    while time.monotonic() < end and process.poll() is None:
        if _answers(url):
            return
        time.sleep(0.3)
    raise UserError("the Prefect server did not start: `prefect server start` says why")


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url.rstrip('/')}/health", timeout=5.0).status_code == 200
    except httpx.HTTPError:
        return False
