"""The detached supervisor's process: `python -m sumflow.local OPTIONS DESCRIPTOR`, started by `up --detach` only."""

from __future__ import annotations

import sys

from sumflow.errors import SumflowError
from sumflow.local import facade
from sumflow.local.datadir import DataDir
from sumflow.local.detached import Failed, PipeReporter, Up
from sumflow.local.options import UpOptions


def main(options_json: str, descriptor: str) -> int:
    """Run the system until it is asked to end; tell the starter over the pipe how its bring-up went."""
    reporter = PipeReporter(int(descriptor))

    def up() -> None:
        reporter.send(Up())
        reporter.close()

    options = UpOptions.from_json(options_json)
    try:
        if not facade.up(options, reporter, up):
            up()
    except SumflowError as error:
        reporter.send(Failed(error.what, error.why, error.remedy, error.exit_code))
        return error.exit_code
    except Exception as error:
        what = f"the supervisor failed unexpectedly: {type(error).__name__}: {error}"
        log = DataDir(options.data_dir).log("supervisor.output")
        reporter.send(Failed(what, "this is a bug in SumFlow", f"where it happened is in {log}", 1))
        raise
    finally:
        reporter.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
