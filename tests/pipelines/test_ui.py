"""`make ui` where it cannot be had."""

import socket
from contextlib import closing

import pytest

from pipelines.shared.errors import UserError
from pipelines.tracking import ui


def test_a_taken_port_is_named_with_what_to_do(monkeypatch):
    with closing(socket.socket()) as taken:
        taken.bind((ui.HOST, 0))
        taken.listen()
        port = taken.getsockname()[1]
        monkeypatch.setenv("PORT", str(port))
        with pytest.raises(UserError, match=rf"port {port} of 127.0.0.1 .*PORT="):
            ui.command()


@pytest.mark.parametrize("port", ["0", "65536", "-1", "http", "5000.0", " 5000", "1" * 5000])
def test_what_is_no_port_is_told(monkeypatch, port):
    monkeypatch.setenv("PORT", port)
    with pytest.raises(UserError, match=r"^PORT=.* from 1 to 65535"):
        ui.command()


def test_a_damaged_store_is_told(monkeypatch, tmp_path):
    monkeypatch.delenv("DVC_ROOT", raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mlflow.db").write_bytes(b"no database" * 1000)
    monkeypatch.setenv("PORT", str(_free()))
    with pytest.raises(UserError, match=r"mlflow\.db: .*move the file away"):
        ui.command()


def test_mlflow_takes_the_place_of_the_command(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    port, started = _free(), []
    monkeypatch.setenv("PORT", str(port))
    monkeypatch.setattr(ui.os, "execv", lambda *arguments: started.append(arguments))
    ui.command()
    assert started[0][1][-2:] == ["--port", str(port)]


def _free() -> int:
    with closing(socket.socket()) as probe:
        probe.bind((ui.HOST, 0))
        return probe.getsockname()[1]
