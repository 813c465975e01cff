"""Words: what a text search finds. Every store takes texts apart in this way, so that all of them find the same."""

from __future__ import annotations

import re
import unicodedata

from stigmer.store.selection import Word

_UNSPACED = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
"""Scripts that put no space between words: kana and Han. Each of their characters is a word."""
_WORD = re.compile(rf"[{_UNSPACED}]|[^\W_{_UNSPACED}]+")
_QUERY_WORD = re.compile(rf"({_WORD.pattern})(\*?)")


def words_of(text: str) -> list[str]:
    """The words of a text in their order: letters and digits, without regard to case and accents."""
    return _WORD.findall(_plain(text))


def query_words(text: str) -> tuple[Word, ...]:
    """The words that a search asks for, each once; one with a star behind it stands for all that begin so."""
    return tuple(dict.fromkeys(Word(word, bool(star)) for word, star in _QUERY_WORD.findall(_plain(text))))


def _plain(text: str) -> str:
    if text.isascii():
        return text.lower()
    apart = unicodedata.normalize("NFKD", text)
    return "".join([each for each in apart if not unicodedata.combining(each)]).casefold()
