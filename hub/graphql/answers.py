"""Answers that may be given again: to the same question, of the same data, to those who see alike.

An answer is kept with the version of the data it was read from, which was asked for before it was
read. The version is asked of the database for every request, so an answer is never older than what
was committed when its request came, whoever wrote it: another process, a command, retention. What
an answer depends on beside the database is the configuration, which is swapped as a whole, and the
viewer; fields that depend on anything else (the clock) are VOLATILE and keep their answer from
being kept. Only root fields that are KEPT are; whoever adds one decides.
"""

from collections import OrderedDict
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache, lru_cache
from typing import Any
from weakref import WeakKeyDictionary

import orjson
from graphql import (
    FieldNode,
    GraphQLSchema,
    OperationDefinitionNode,
    TypeInfo,
    TypeInfoVisitor,
    Visitor,
    visit,
)
from strawberry.types.field import StrawberryField

from hub import metrics
from hub.config import Config
from hub.graphql.context import Context
from hub.graphql.documents import Document
from hub.graphql.metadata import KEPT, VOLATILE
from hub.signals import Viewer

LARGEST = 1024 * 1024  # bytes of an answer


@dataclass(frozen=True, slots=True)
class Question:
    """`viewer` is whoever sees alike: the same roles, scopes and person, by any key."""

    text: str
    operation: str | None
    variables: bytes
    viewer: Viewer


@dataclass(frozen=True, slots=True)
class _Answer:
    version: Hashable
    config: Config
    body: bytes


@dataclass(slots=True)
class Answers:
    """The answers that were given last; `most` bytes of them, none of it where it is 0."""

    schema: GraphQLSchema
    most: int
    _kept: OrderedDict[Question, _Answer] = field(default_factory=OrderedDict)
    _bytes: int = 0
    _may: WeakKeyDictionary[Document, bool] = field(default_factory=WeakKeyDictionary)

    def question(
        self,
        document: Document,
        operation: str | None,
        variables: Mapping[str, Any] | None,
        context: Context,
    ) -> Question | None:
        """Give what an answer is determined by beside the data; None where more determines it."""
        if document.errors or document.node is None:
            return None
        may = self._may.get(document)
        if may is None:
            may = self._may[document] = keepable(self.schema, document)
        if not may:
            return None
        given = orjson.dumps(variables, option=orjson.OPT_SORT_KEYS)
        return Question(document.text, operation, given, alike(context.viewer))

    def kept(self, question: Question, version: Hashable, config: Config) -> bytes | None:
        """Give the answer that was given before, if it is still the answer."""
        kept = self._kept.get(question)
        if kept is None or kept.version != version or kept.config is not config:
            return None
        self._kept.move_to_end(question)
        return kept.body

    def count(self, *, kept: bool) -> None:
        _counter_of("kept" if kept else "made").inc()

    def keep(self, question: Question, version: Hashable, config: Config, body: bytes) -> None:
        """Keep an answer that was read after the data had this version."""
        if len(body) > LARGEST:
            return
        self._drop(question)
        self._kept[question] = _Answer(version, config, body)
        self._bytes += _weight(question, body)
        while self._bytes > self.most:
            self._drop(next(iter(self._kept)))

    def _drop(self, question: Question) -> None:
        if (gone := self._kept.pop(question, None)) is not None:
            self._bytes -= _weight(question, gone.body)


@cache
def _counter_of(outcome: str) -> Any:
    return metrics.answers.labels(outcome)


@lru_cache(maxsize=1024)
def alike(viewer: Viewer) -> Viewer:
    """Give the one viewer who stands for all that see the same."""
    return replace(viewer, key_id=None, subject=None, name="", until=None)


def _weight(question: Question, body: bytes) -> int:
    return len(body) + len(question.text) + len(question.variables)


def keepable(schema: GraphQLSchema, document: Document) -> bool:
    """Say whether every answer to a document is determined by data, configuration and viewer."""
    assert document.node is not None
    types = TypeInfo(schema)
    visitor = _Determined(types, schema)
    visit(document.node, TypeInfoVisitor(types, visitor))
    return visitor.so_far


class _Determined(Visitor):
    def __init__(self, types: TypeInfo, schema: GraphQLSchema) -> None:
        super().__init__()
        self.types = types
        self.schema = schema
        self.so_far = True

    def enter_operation_definition(self, node: OperationDefinitionNode, *_: object) -> None:
        self.so_far &= self.schema.get_root_type(node.operation) is self.schema.query_type

    def enter_field(self, node: FieldNode, *_: object) -> None:
        declared = self.types.get_field_def()
        if node.name.value == "__typename" or declared is None:
            return
        plain = declared.extensions.get("strawberry-definition")
        metadata = plain.metadata if isinstance(plain, StrawberryField) else {}
        if VOLATILE in metadata:
            self.so_far = False
        if self.types.get_parent_type() is self.schema.query_type and KEPT not in metadata:
            self.so_far = False
