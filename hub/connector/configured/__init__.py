"""What connectors that are configured alone have in common: sign-in, lists, pages, cursors.

Each is a table of hub.toml. `connectors/rest.py` puts them together.
"""

from hub.connector.configured.families import ByIds, Family
from hub.connector.configured.links import link_on
from hub.connector.configured.paging import Paging
from hub.connector.configured.refusals import Refusal
from hub.connector.configured.requests import Listed, Listing
from hub.connector.configured.snapshots import ByComparison
from hub.connector.configured.ways_in import WayIn

__all__ = [
    "ByComparison",
    "ByIds",
    "Family",
    "Listed",
    "Listing",
    "Paging",
    "Refusal",
    "WayIn",
    "link_on",
]
