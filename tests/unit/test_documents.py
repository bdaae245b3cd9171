"""A text is read once, and what is kept of texts is bounded."""

from hub.graphql.documents import Documents
from hub.graphql.schema import make_schema
from hub.store.documents import digest

SCHEMA = make_schema()


def documents(most: int = 3, most_letters: int = 10_000) -> Documents:
    return Documents(SCHEMA.documents.schema, most, most_letters)


def query(name: str) -> str:
    return f"query {name} {{ viewer {{ name }} }}"


def test_the_same_text_is_the_same_tree() -> None:
    kept = documents()
    assert kept.read(query("A")) is kept.read(query("A"))


def test_the_text_that_was_used_longest_ago_goes_first() -> None:
    kept = documents(most=2)
    first, second = kept.read(query("A")), kept.read(query("B"))
    assert kept.read(query("A")) is first
    kept.read(query("C"))
    assert kept.read(query("A")) is first
    assert kept.read(query("B")) is not second


def test_long_texts_count_by_their_letters() -> None:
    kept = documents(most=100, most_letters=200)
    first = kept.read(query("A"))
    kept.read(query("B" * 150))
    assert kept.read(query("A")) is not first


def test_a_text_that_alone_is_too_long_is_not_kept() -> None:
    kept = documents(most_letters=10)
    assert kept.read(query("A")) is not kept.read(query("A"))


def test_mistakes_push_nothing_out() -> None:
    kept = documents(most=1)
    first = kept.read(query("A"))
    assert kept.read("{").errors
    assert kept.read("{ nothing }").errors
    assert kept.read(query("A")) is first


def test_a_bottomless_text_is_refused() -> None:
    assert documents().read("{a" * 100_000).errors
    chain = "".join(f"fragment F{n} on Query {{ ...F{n + 1} }}" for n in range(3000))
    assert documents().read(f"{{ ...F0 }} {chain} fragment F3000 on Query {{ node }}").errors


def test_a_hash_is_forgotten_with_its_text() -> None:
    kept = documents(most=2)
    first = kept.read(query("A"))
    kept.name(first, digest(query("A")))
    assert kept.named(digest(query("A"))) is first
    kept.read(query("B"))
    assert kept.named(digest(query("A"))) is first  # which keeps it longer than what was not used
    kept.read(query("C"))
    assert kept.named(digest(query("A"))) is first
    kept.read(query("D"))
    kept.read(query("E"))
    assert kept.named(digest(query("A"))) is None
    assert not kept._named


def test_what_is_not_kept_gets_no_name() -> None:
    kept = documents(most_letters=10)
    for text in ("{", "{ nothing }", query("A")):
        kept.name(kept.read(text), digest(text))
    assert not kept._named
