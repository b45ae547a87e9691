"""`python -m pipelines.report KEY`: the page of a system; without KEY: the index, and all samples on one picture."""

import sys

from pipelines.report import index, page
from pipelines.shared import errors

if __name__ == "__main__":
    if len(sys.argv) > 2:
        print("usage: python -m pipelines.report [KEY]", file=sys.stderr)
        raise SystemExit(2)
    errors.main(lambda: page.run(sys.argv[1]) if len(sys.argv) == 2 else index.run())
