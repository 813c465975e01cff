"""Text searches."""

from __future__ import annotations

from stigmer.filtering.bad import Bad
from stigmer.store.selection import Word
from stigmer.store.words import query_words

MOST_CHARACTERS = 1024
MOST_WORDS = 32


def words_of_query(text: str) -> tuple[Word, ...]:
    """The words that a search asks for; none when it is empty.

    Raises:
        Bad: there is no word in it, or too much.
    """
    if len(text) > MOST_CHARACTERS:
        raise Bad(f"a search has at most {MOST_CHARACTERS} characters")
    words = query_words(text)
    if len(words) > MOST_WORDS:
        raise Bad(f"a search has at most {MOST_WORDS} words")
    if text.strip() and not words:
        raise Bad("there is no word in it")
    return words
