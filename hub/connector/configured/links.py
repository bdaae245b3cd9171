"""Links to a following page, which a cursor keeps."""

from urllib.parse import urljoin, urlsplit

from hub.errors import SourceMisbehaved


def link_on(here: str, address: str) -> str:
    """Make a whole address of one that an answer from `here` holds.

    One that leads to another host would be refused at each poll to come: it is refused here,
    before it is kept.
    """
    whole = urljoin(here, address)
    at, to = urlsplit(here), urlsplit(whole)
    if (to.scheme, to.netloc) != (at.scheme, at.netloc):
        raise SourceMisbehaved(f"{at.hostname}: next page on another host, {to.hostname}")
    return whole
