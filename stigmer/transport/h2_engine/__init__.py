"""The engine on h2, in pure Python, for where ngh2 is not."""
