"""The command line: `hub`, also `python -m hub`."""

import sys

from hub.cli import app
from hub.cli.terminal import complain, exit_code
from hub.errors import HubError


def main() -> None:
    """Run one command; what the hub can explain takes two lines and no traceback."""
    try:
        app(prog_name="hub")
    except HubError as error:
        complain(error)
        sys.exit(exit_code(error))


if __name__ == "__main__":
    main()
