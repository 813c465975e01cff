"""What clients write to select and order: filters (https://google.aip.dev/160), orders, words."""

from stigmer.filtering.bad import Bad
from stigmer.filtering.grammar import MOST_CHARACTERS, condition_of
from stigmer.filtering.order import order_of
from stigmer.filtering.search import words_of_query

__all__ = ["MOST_CHARACTERS", "Bad", "condition_of", "order_of", "words_of_query"]
