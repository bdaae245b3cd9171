"""A role, as the API shows it."""

import strawberry

from hub import declared
from hub.graphql.relay import Node


@strawberry.type(description="Somebody who should hear of certain signals.")
class Role(Node):
    name: str = strawberry.field(description="Its name in hub.toml.")
    description: str = strawberry.field(description="What it cares about, in words.")
    threshold: float = strawberry.field(description="The score from which it hears of a signal.")


def role_type(role: declared.Role) -> Role:
    return Role(
        id=strawberry.ID(f"role:{role.name}"),
        name=role.name,
        description=role.description,
        threshold=role.threshold,
    )
