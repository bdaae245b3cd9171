"""Words of plain letters take a short way; they must be those that the long way gives."""

from hypothesis import given
from hypothesis import strategies as st

from hub.words import GAP, words_of


def cut(text: str) -> list[str]:
    words = words_of(text)
    return words[: words.index(GAP)] if GAP in words else words


@given(
    st.one_of(
        st.text(st.characters(max_codepoint=127)),
        st.text("aBz09 -'+#._/\n", max_size=150),
        st.text("ab1", min_size=60, max_size=70),
    )
)
def test_a_letter_of_another_script_cuts_no_other_word_differently(text: str) -> None:
    assert cut(f"{text} é") == [*cut(text), "e"]
    assert cut(f"é {text}") == ["e", *cut(text)]


def test_what_stands_beside_letters_parts_words() -> None:
    assert words_of("Re: v2.14_RC\x1fready (50%) e-mail") == [
        *("re", "v", "2", "14", "rc", "ready", "50", "e", "mail"),
        *(GAP, "email"),
    ]
