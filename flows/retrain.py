"""Retrains systems of params.yaml and promotes what is better, once or on a schedule:

python -m flows.retrain vae
python -m flows.retrain vae --force
python -m flows.retrain --serve --cron "0 3 * * *"
"""

import sys

from flows import entry, serving
from flows.retraining import retrain


def main() -> int:
    """Runs once, or serves a schedule until it is stopped; returns the exit code."""
    parser = entry.parser(__doc__)
    parser.add_argument(
        "--force", action="store_true", help="train even if data, settings and code are unchanged"
    )
    parser.add_argument("--serve", action="store_true", help="keep running, on a schedule")
    parser.add_argument("--cron", default="0 3 * * *", help='when, as in "0 3 * * *" (default)')
    parser.add_argument(
        "--port",
        type=int,
        default=4200,
        help="of the Prefect server that --serve starts where PREFECT_API_URL is not set",
    )
    options = parser.parse_args()
    if not 0 < options.port < 2**16:
        parser.error(f"--port expects a number from 1 to 65535, not {options.port}")
    chosen = {"force": options.force, "wait_minutes": options.wait}
    if not options.serve:
        return entry.run_once(retrain, options.systems, **chosen)
    parameters = {"systems": options.systems or None, **chosen}
    return serving.serve(retrain, parser, parameters, options.cron, options.port)


if __name__ == "__main__":
    sys.exit(main())
