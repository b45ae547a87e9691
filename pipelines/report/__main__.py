"""`python -m pipelines.report`: writes `reports/index.html` and `reports/samples.png`."""

import sys

from pipelines.report import page
from pipelines.shared import errors

if __name__ == "__main__":
    if len(sys.argv) > 1:
        print("usage: python -m pipelines.report", file=sys.stderr)
        raise SystemExit(2)
    errors.main(page.run)
