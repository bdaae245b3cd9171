"""Words as search knows them: folded and cut the same way in what is stored and what is asked.

No language is assumed. Case, accents and width go; a script without spaces is cut into pairs of
neighbours; an emoji is a word. So both databases are given ready words, and agree on what matches
(docs/decisions/0023).
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from hub.errors import Code, Refused

GAP = "\u00a6"  # stands between what are no neighbours; no text has it, since it is folded away
LONGEST = 64  # letters of a word; what follows them is not told apart
LONGEST_QUERY = 300
SHORTEST_BEGINNING = 3  # letters from which on a word also finds what begins with it

# Marks that a word is found without: accents, vowel points, joiners, skin tones, emoji styles.
_DROPPED = re.compile(
    "[\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f"
    "\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06ed\u0640"
    "\u00ad\u200b-\u200f\u2060\ufeff\ufe00-\ufe0f\U0001f3fb-\U0001f3ff\U000e0100-\U000e01ef]"
)
# Letters that are written otherwise without being made of two characters.
_SPELT = str.maketrans(
    {
        "ı": "i", "ø": "o", "đ": "d", "ð": "d", "ħ": "h", "ł": "l", "ŧ": "t", "ƒ": "f",
        "æ": "ae", "œ": "oe", "þ": "th", "ĸ": "k", "ŋ": "n", "ß": "ss",
        "ى": "ي", "ی": "ي", "ک": "ك", "ة": "ه", "ς": "σ",
        "™": " ", "℠": " ", "®": " ", "©": " ", GAP: " ",
        "’": "'", "ʼ": "'", "‐": "-", "‑": "-",
    }
)  # fmt: skip
_SIGNS = frozenset("-'+#")  # the only ones that folding leaves: they join words, or end a name

# Scripts that put no space between words.
_DENSE = (
    "\u3005-\u3007\u3040-\u30ff\u3100-\u312f\u31a0-\u31bf\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
    "\uac00-\ud7a3\uf900-\ufaff\U00020000-\U0003ffff\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"
)
_FLAG = "\U0001f1e6-\U0001f1ff"  # a flag is two of these
_LETTER = "a-z0-9\u0080-\U0010ffff"
_WORD = re.compile(rf"[{_LETTER}]+|(?<=[{_LETTER}])[+#]+(?![{_LETTER}+#])")
_PIECE = re.compile(rf"[{_DENSE}]+|[{_FLAG}]{{2}}|[{_FLAG}]|[^{_DENSE}{_FLAG}]+")
_IS_DENSE = re.compile(rf"[{_DENSE}]")
_NUMBERED = re.compile(r"([^\W\d_]+)(\d+)|(\d+)([^\W\d_]+)")
_COMPOUND = re.compile(
    rf"(?<![{_LETTER}'-])[{_LETTER}]+(?:[-'][{_LETTER}]+){{1,2}}(?![{_LETTER}'-])"
)
_SIGNED = str.maketrans({"+": "＋", "#": "＃"})
# What is no letter of ASCII parts words.
_SPACED = {code: char if (char := chr(code)).isalnum() else " " for code in range(128)}


class _Folds(dict[int, str]):
    """What each character becomes, worked out when it is first met."""

    def __missing__(self, code: int) -> str:
        self[code] = folded = _fold(chr(code))
        return folded


def _fold(char: str) -> str:
    plain = _DROPPED.sub("", unicodedata.normalize("NFKD", char.translate(_SPELT)))
    plain = unicodedata.normalize("NFKC", plain).casefold().translate(_SPELT)
    plain = _DROPPED.sub("", unicodedata.normalize("NFKD", plain))
    return "".join(map(_kept, unicodedata.normalize("NFKC", plain)))


def _kept(char: str) -> str:
    category = unicodedata.category(char)
    if category == "Nd":
        return str(unicodedata.decimal(char))
    if _FLAG[0] <= char <= _FLAG[-1] or category[0] in "LNM" or char in _SIGNS:
        return char
    # Emoji are signs; those younger than this Python's tables are not assigned yet.
    is_sign = category in {"So", "Sc"} or (
        category == "Cn" and "\U0001f000" <= char <= "\U0001faff"
    )
    return f" {char} " if is_sign and not char.isascii() else " "


_folds = _Folds()


def folded(text: str) -> str:
    """Fold a text for comparing: lower case, without accents, signs as spaces but for `-'+#`."""
    if text.isascii():
        return text.lower()
    plain = unicodedata.normalize("NFC", text).translate(_folds)
    return unicodedata.normalize("NFC", plain)  # half-width kana have their voice mark beside them


def _cut(plain: str, *, asked: bool) -> list[str]:
    """Cut a folded text into words. `asked`: its end is where the question ends, not a text."""
    if plain.isascii() and "+" not in plain and "#" not in plain:
        # Nearly all there is, and no character is looked at by us: a signal is to be cut in
        # microseconds.
        words = plain.translate(_SPACED).split()
        if not words or ("".join(words).isalpha() and max(map(len, words)) <= LONGEST):
            return words
        cut: list[str] = []
        for word in words:
            if len(word) <= LONGEST and (word.isalpha() or word.isdigit()):
                cut.append(word)
            else:
                cut += _parts(word, asked=False)
        return cut
    words = _WORD.findall(plain)
    cut = []
    for place, word in enumerate(words, 1):
        cut += _parts(word, asked=asked and place == len(words))
    return cut


def _parts(word: str, *, asked: bool) -> Iterator[str]:
    if word[0] in "+#":
        yield word.translate(_SIGNED)[:LONGEST]
    else:
        pieces = [word] if word.isascii() else _PIECE.findall(word)
        for place, piece in enumerate(pieces, 1):
            if _IS_DENSE.match(piece):
                yield from _pairs(piece, asked=asked and place == len(pieces))
            elif numbered := _NUMBERED.fullmatch(piece):
                yield from (one[:LONGEST] for one in numbered.groups() if one)  # v2: v, 2
            else:
                yield piece[:LONGEST]


def _pairs(run: str, *, asked: bool) -> Iterator[str]:
    for place in range(len(run) - 1):
        yield run[place : place + 2]
    # The last one alone, so that it is found by itself. A question that ends here goes on there.
    if len(run) == 1 or not asked:
        yield run[-1]


def _joined(plain: str) -> list[str]:
    """Give compounds as one word: e-mail is also email."""
    if "-" not in plain and "'" not in plain:
        return []
    # Chunk by chunk: most have neither sign, and the expression is tried at every letter.
    chunks = (chunk for chunk in plain.split() if "-" in chunk or "'" in chunk)
    found = (re.sub("[-']", "", one[0]) for chunk in chunks for one in _COMPOUND.finditer(chunk))
    return [one for one in dict.fromkeys(found) if len(one) <= LONGEST and not one.isdigit()]


def words_of(text: str) -> list[str]:
    """Give the words of a text in their order; after a gap, its compounds as one word each."""
    plain = folded(text)
    words = _cut(plain, asked=False)
    for one in _joined(plain):
        words += (GAP, one)
    return words


@dataclass(frozen=True, slots=True)
class Term:
    """Something that must be there, in one of its forms: words that stand next to each other.

    `begins`: the last word may be the beginning of one.
    """

    forms: tuple[tuple[str, ...], ...]
    begins: bool = False


@dataclass(frozen=True, slots=True)
class Query:
    """All that a text must have to be found."""

    terms: tuple[Term, ...]

    @property
    def exact(self) -> "Query":
        """Ask for whole words only."""
        return Query(tuple(Term(one.forms, _is_single(one.forms)) for one in self.terms))

    @property
    def together(self) -> "Query":
        """Ask for all of it next to each other, as it was written."""
        phrase = tuple(word for one in self.terms for word in one.forms[0])
        return Query((Term((phrase,), _is_single((phrase,))),))


_QUOTES = str.maketrans(dict.fromkeys("“”„‟«»", '"'))
_CHUNK = re.compile(r'"([^"]*)"?|([^\s"]+)')


@lru_cache(maxsize=500)
def read_query(text: str) -> Query:
    """Read what somebody typed: words, beginnings (`escal*`), phrases ("in quotes").

    Nothing else has a meaning, and an open quote ends with the text. Raises Refused where it is too
    long, or has no word.
    """
    if len(text) > LONGEST_QUERY:
        raise Refused(
            Code.INVALID,
            f"The search has {len(text)} characters",
            f"Give at most {LONGEST_QUERY}",
            {"limit": LONGEST_QUERY},
        )
    terms = dict.fromkeys(
        term
        for quoted, bare in _CHUNK.findall(text.translate(_QUOTES))
        if (term := _term(bare or quoted, bare=bool(bare))) is not None
    )
    if not terms:
        raise Refused(Code.INVALID, "The search has no word", "Give one, or leave the search out")
    return Query(tuple(terms))


def _term(chunk: str, *, bare: bool) -> Term | None:
    starred = chunk.endswith("*")
    plain = folded(chunk)
    words = tuple(_cut(plain, asked=True))
    if not words:
        return None
    whole = _joined(plain) if bare and _COMPOUND.fullmatch(plain.strip().rstrip("*")) else []
    forms = (words, *((one,) for one in whole))
    last = words[-1]
    long = bare and len(last) >= SHORTEST_BEGINNING and not last.isdigit()
    return Term(forms, starred or long or _is_single(forms))


def _is_single(forms: Sequence[Sequence[str]]) -> bool:
    """Tell whether it ends in one character of a dense script, which stands first in a pair."""
    last = forms[0][-1]
    return len(last) == 1 and _IS_DENSE.match(last) is not None
