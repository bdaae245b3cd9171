"""What the page asks of the hub: it may, also where only registered documents are executed."""

import re
from collections.abc import Mapping
from pathlib import Path

FILE = Path(__file__).parent / "static" / "js" / "documents.js"

_CONSTANT = re.compile(r"const (\w+) = [`\"]([^`\"]+)[`\"];")
_INSERTED = re.compile(r"\$\{(\w+)\}")
_BEGINNINGS = ("query", "mutation", "subscription")


def page_documents() -> Mapping[str, str]:
    """Read the documents of the page, by their names there."""
    texts = dict(_CONSTANT.findall(FILE.read_text(encoding="utf-8")))
    return {
        name: _INSERTED.sub(lambda found: texts[found[1]], text)
        for name, text in texts.items()
        if text.startswith(_BEGINNINGS)
    }
