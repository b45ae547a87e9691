"""What the tests of the command share."""

import pytest

from pipelines.command import cli


@pytest.fixture
def run(monkeypatch, capsys):
    """Runs `gm-keras` as a user does, except that the process is this one: the exit code and both outputs."""

    def call(*arguments):
        monkeypatch.setattr("sys.argv", ["gm-keras", *arguments])
        with pytest.raises(SystemExit) as end:
            cli.main()
        output = capsys.readouterr()
        return end.value.code or 0, output.out, output.err

    return call
