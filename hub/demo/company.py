"""Who there is in the demo: the company, its people, its customers. The data is company.toml."""

import re
import tomllib
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

# Letters that are no letter with a mark, so that Unicode does not take them apart.
_PLAIN = str.maketrans(
    {"ł": "l", "Ł": "L", "\N{LATIN SMALL LETTER DOTLESS I}": "i", "ø": "o", "ß": "ss"}
)


@dataclass(frozen=True, slots=True)
class Person:
    name: str
    email: str
    team: str = ""

    @property
    def first(self) -> str:
        return self.name.split()[0]


@dataclass(frozen=True, slots=True)
class Customer:
    name: str
    domain: str
    city: str
    people: tuple[Person, ...]

    @property
    def company(self) -> dict[str, str]:
        """Name it as every vendor is told of it."""
        return {"name": self.name, "domain": self.domain}


@dataclass(frozen=True, slots=True)
class Company:
    name: str
    about: str
    modules: tuple[str, ...]
    competitors: tuple[str, ...]
    colleagues: Mapping[str, Person]
    customers: Mapping[str, Customer]

    def team(self, name: str) -> list[Person]:
        return [one for one in self.colleagues.values() if one.team == name]

    def owner_id(self, key: str) -> str:
        """Give the CRM's number of a colleague."""
        return str(100 + list(self.colleagues).index(key))


@cache
def company() -> Company:
    data = read("company.toml")
    return Company(
        data["name"],
        data["about"],
        tuple(data["modules"]),
        tuple(data["competitors"]),
        {
            key: Person(one["name"], _email(one["name"], data["domain"]), one["team"])
            for key, one in data["colleagues"].items()
        },
        {
            key: Customer(
                one["name"],
                one["domain"],
                one["city"],
                tuple(Person(name, _email(name, one["domain"])) for name in one["people"]),
            )
            for key, one in data["customers"].items()
        },
    )


def read(name: str) -> dict[str, Any]:
    """Read one of the demo's files of data."""
    return tomllib.loads(files("hub.demo").joinpath(name).read_text("utf-8"))


def _email(name: str, domain: str) -> str:
    plain = unicodedata.normalize("NFKD", name.translate(_PLAIN)).encode("ascii", "ignore").decode()
    return f"{'.'.join(re.findall('[a-z]+', plain.lower()))}@{domain}"
