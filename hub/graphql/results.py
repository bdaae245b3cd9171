"""What mutations answer where they cannot do what was asked."""

import strawberry


@strawberry.type(description="What was given cannot be taken.")
class InvalidInput:
    code: str = strawberry.field(description="A word for programs.")
    message: str = strawberry.field(description="What is wrong, and what to do.")
    field: str | None = strawberry.field(description="The part of the input that is wrong.")


@strawberry.type(description="The key may not do this.")
class Forbidden:
    code: str = strawberry.field(description="A word for programs.")
    message: str = strawberry.field(description="What it takes.")


@strawberry.type(description="There is no such thing, for you.")
class NotFound:
    code: str = strawberry.field(description="A word for programs.")
    message: str = strawberry.field(description="What is not there.")
