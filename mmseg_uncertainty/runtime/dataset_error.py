"""The error every dataset raises for files that cannot be used."""
from __future__ import annotations


class DatasetError(ValueError):
    """A data folder or file cannot be used; the message names it, what was expected and found, and what to do."""
