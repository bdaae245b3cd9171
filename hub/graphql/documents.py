"""Documents as clients write them: each text is parsed and validated once."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field

from graphql import (
    DocumentNode,
    GraphQLError,
    GraphQLSchema,
    OperationDefinitionNode,
    parse,
    specified_rules,
    validate,
)
from strawberry.types.graphql import OperationType

from hub.errors import Code, Refused
from hub.graphql.limits import Limits, over
from hub.graphql.measure import judge
from hub.store.documents import digest as digest_of

MOST_DOCUMENTS = 1024
MOST_ERRORS = 5  # of validation: who sends a document with more of them reads no more
SAID_BY_THE_PARSER = (
    ("Document contains more than", "tokens"),
    ("Document is nested too deeply", "depth"),
)
MOST_LETTERS = 4 * 1024 * 1024  # of all texts together; their trees weigh some twenty times that


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Document:
    """What was read of a text. `node` is None where it is no GraphQL.

    It must not be executed while it has errors. `operations`: the type of each, by name. `sizes`:
    the variables that its cost depends on. `introspects`: it asks for the schema.
    """

    text: str
    node: DocumentNode | None
    errors: Sequence[GraphQLError]
    operations: Sequence[tuple[str | None, OperationType]] = ()
    sizes: frozenset[str] = frozenset()
    introspects: bool = False

    def operation(self, name: str | None) -> OperationType:
        """Say what kind of operation is asked for. Raises Refused(INVALID) for none, or many."""
        if name is not None:
            found = [kind for own, kind in self.operations if own == name]
            if not found:
                names = ", ".join(own for own, _ in self.operations if own) or "none with a name"
                raise Refused(
                    Code.INVALID,
                    f"There is no operation named {name!r}",
                    f"The document has: {names}",
                )
            return found[0]
        if len(self.operations) != 1:
            raise Refused(
                Code.INVALID,
                f"The document has {len(self.operations)} operations",
                "Say which with operationName"
                if self.operations
                else "Write one: { viewer { name } }",
            )
        return self.operations[0][1]


@dataclass(slots=True)
class Documents:
    """Keeps the documents that were used last, by their text.

    Who is handed the same text is handed the same tree: what is compiled of it may be kept by the
    identity of its nodes. Only what may be executed is kept, so mistakes push nothing out.
    """

    schema: GraphQLSchema
    most: int = MOST_DOCUMENTS
    most_letters: int = MOST_LETTERS
    limits: Limits = field(default_factory=Limits)
    _kept: OrderedDict[str, Document] = field(default_factory=OrderedDict)
    _named: dict[str, Document] = field(default_factory=dict)  # of those kept, by their hash
    _letters: int = 0

    def named(self, digest: str) -> Document | None:
        """Give a document that is kept and was sent with this hash."""
        document = self._named.get(digest)
        return None if document is None else self.read(document.text)

    def name(self, document: Document, digest: str) -> None:
        """Let a document be found by its hash for as long as it is kept."""
        if self._kept.get(document.text) is document:
            self._named[digest] = document

    def read(self, text: str) -> Document:
        if (kept := self._kept.get(text)) is not None:
            self._kept.move_to_end(text)
            return kept
        document = self._parsed(text)
        if not document.errors:
            self._keep(document)
        return document

    def _keep(self, document: Document) -> None:
        self._kept[document.text] = document
        self._letters += len(document.text)
        while len(self._kept) > self.most or self._letters > self.most_letters:
            text, _ = self._kept.popitem(last=False)
            self._letters -= len(text)
            if self._named:
                self._named.pop(digest_of(text), None)

    def _parsed(self, text: str) -> Document:
        try:
            node = parse(text, max_lexical_tokens=self.limits.tokens)
            judged = judge(self.schema, node, self.limits)
            errors = judged.errors or validate(
                self.schema, node, specified_rules, max_errors=MOST_ERRORS
            )
        except RecursionError:
            refused = over("depth", None, self.limits.depth)
            return Document(text, None, (GraphQLError(str(refused), original_error=refused),))
        except GraphQLError as error:
            # What is over the parser's own limits is no GraphQL to it.
            for said, name in SAID_BY_THE_PARSER:
                if error.message.startswith(f"Syntax Error: {said}"):
                    refused = over(name, None, getattr(self.limits, name))
                    error = GraphQLError(str(refused), original_error=refused)
            return Document(text, None, (error,))
        operations = [
            (one.name.value if one.name else None, OperationType(one.operation.value))
            for one in node.definitions
            if isinstance(one, OperationDefinitionNode)
        ]
        return Document(text, node, errors, operations, judged.sizes, judged.introspects)
