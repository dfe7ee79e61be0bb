"""The error of every submission that a benchmark would refuse, or misread."""
from __future__ import annotations


class SubmissionError(ValueError):
    """Files do not make a submission; the message names the frame or file, what was expected and found, and what to do."""
