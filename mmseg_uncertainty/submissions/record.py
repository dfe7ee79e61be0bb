"""Notes beside a submission on what it was made with, so that two methods are never mixed in one."""
from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmseg_uncertainty.runtime.json_files import write_json

from .submission import Submission, SubmissionError


class SubmissionRecord:
    """A JSON file: what the scores were made with (``settings``), whether all was written (``complete``), what is in it.

    Args:
        path: The file.
        submission: What it describes.
    """

    def __init__(self, path: Path, submission: Submission) -> None:
        self.path, self.submission = path, submission

    def start(self, settings: Mapping[str, Any]) -> None:
        """Note settings, or check that they are those with which earlier frames were written.

        Raises:
            SubmissionError: Frames of other settings are there, or the file is no record.
        """
        settings = json.loads(json.dumps(dict(settings)))
        earlier = self._read().get('settings')
        if earlier is None:
            write_json(self.path, self._content(settings, complete=False))
            return
        changed = [key for key in settings | earlier if settings.get(key) != earlier.get(key)]
        if changed:
            key = changed[0]
            raise SubmissionError(f'{self.path.parent} holds frames that were written with {key} {earlier.get(key)!r}, now it is '
                                  f'{settings.get(key)!r}. Frames of two methods make no submission: choose another --out, or '
                                  f'remove {self.path} and the frames.')

    def finish(self, told: Mapping[str, Any]) -> None:
        """Note that the submission is complete, and what is in it."""
        write_json(self.path, self._content(self._read().get('settings', {}), complete=True, **told))

    def _content(self, settings: Mapping[str, Any], **more: Any) -> dict:
        return dict(benchmark=self.submission.benchmark, split=self.submission.split, frames=len(self.submission.frames),
                    settings=settings, **more)

    def _read(self) -> dict:
        if not self.path.is_file():
            return {}
        try:
            content = json.loads(self.path.read_text(encoding='utf-8'))
        except ValueError as error:
            raise SubmissionError(f'{self.path} is no JSON ({error}). Remove it and the frames beside it.') from None
        return content if isinstance(content, dict) else {}
