"""Several operations in one request, where HUB_MAX_BATCH takes them: each as if it came alone."""

from collections.abc import Sequence
from dataclasses import replace

import orjson
from graphql import GraphQLError
from starlette.requests import Request

from hub.errors import Refused, StoreUnavailable
from hub.graphql.context import Context
from hub.graphql.errors import present
from hub.graphql.transports.incoming import check_operation
from hub.graphql.transports.requests import Asked
from hub.graphql.transports.served import Served


async def answer_each(
    served: Served, request: Request, batch: Sequence[Asked], context: Context
) -> bytes:
    """Answer in order, one after the other. What is refused stands among the answers.

    The first was admitted with the request, before it was read.
    """
    # Each has a context of its own: what one has loaded the next may have changed.
    answers = [
        await _answer(served, request, asked, replace(context), admitted=place == 0)
        for place, asked in enumerate(batch)
    ]
    return b"[" + b",".join(answers) + b"]"


async def _answer(
    served: Served, request: Request, asked: Asked, context: Context, *, admitted: bool
) -> bytes:
    try:
        if not admitted:
            served.admission.admit(context.viewer)
        document = await served.persisted.read(asked)
        operation = document.operation(asked.operation_name) if document.node else None
        check_operation(request, operation, streams=False)
        with served.admission.running(context.viewer):
            reply = await served.replies.of(
                document, context, asked.variables, asked.operation_name
            )
    except (Refused, StoreUnavailable) as error:
        refused = present(GraphQLError(str(error), original_error=error))
        return orjson.dumps({"errors": [refused.formatted]})
    return reply.body
