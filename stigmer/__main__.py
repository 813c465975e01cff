"""``python -m stigmer`` is ``stigmer``."""

from stigmer.cli import main

if __name__ == "__main__":
    main()
