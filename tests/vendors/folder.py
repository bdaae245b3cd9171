"""Where vendors' own descriptions, payloads and signatures lie: CI has them, for none are ours."""

import os
from pathlib import Path

# Read here, for tests see no HUB_ of their developer's.
CONTRACTS = Path(os.environ.get("HUB_CONTRACTS", "../shared/contracts"))


def files() -> set[str]:
    """List every file of the folder, as `github/spec/subset.json`."""
    if not CONTRACTS.is_dir():
        raise FileNotFoundError(f"no folder {CONTRACTS.resolve()}: HUB_CONTRACTS says where it is")
    return {str(one.relative_to(CONTRACTS)) for one in CONTRACTS.rglob("*") if one.is_file()}
