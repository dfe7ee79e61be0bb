"""What a run over many images has done, kept line by line, so that one that was stopped goes on."""
from __future__ import annotations

import json
from pathlib import Path

from .image_sources import ImageSource
from .json_files import plain_values
from .output_files import OutputError

JOURNAL = 'progress.jsonl'


class RunJournal:
    """Append-only file in the folder of the results.

    Args:
        folder: Folder of the results.
        circumstances: All that results depend on besides the images, in plain values.
        resume: Whether to go on with an earlier run; otherwise what it noted is forgotten.

    Attributes:
        done: Records of images, by name of their results.
        ranges: Ends of the colour scales of the run, once they are fixed.

    Raises:
        ValueError: The earlier run had other circumstances.
        OutputError: The file cannot be written.
    """

    def __init__(self, folder: Path, circumstances: dict, resume: bool) -> None:
        self.path = folder / JOURNAL
        self.done: dict[str, dict] = {}
        self.ranges: dict[str, tuple[float, float]] | None = None
        header = json.loads(json.dumps(plain_values(circumstances), default=str))
        lines = self._lines() if resume else []
        if lines:
            self._go_on(lines, header)
        try:
            self._file = self.path.open('a' if lines else 'w', encoding='utf-8')
        except OSError as error:
            raise OutputError(f'{self.path} cannot be written ({error.strerror}). Choose another --out.') from error
        # A line that was cut off by the end of a run stays alone.
        self._write(dict(go_on=True) if lines else dict(run=header), '\n' if lines else '')

    def note(self, source: ImageSource, record: dict) -> None:
        """Keep that all files of an image are written, and what the end of the run needs of it."""
        self.done[source.name] = dict(record, state=_state(source))
        self._write(dict(image=source.name, **self.done[source.name]))

    def fix_ranges(self, ranges: dict[str, tuple[float, float]]) -> None:
        """Keep the ends of the colour scales."""
        self.ranges = ranges
        self._write(dict(ranges=ranges))

    def kept(self, source: ImageSource) -> dict | None:
        """Record of an image whose file has not changed since."""
        record = self.done.get(source.name)
        return record if record is not None and record['state'] == _state(source) else None

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _lines(self) -> list[dict]:
        try:
            text = self.path.read_text(encoding='utf-8')
        except OSError:
            return []
        return [entry for line in text.splitlines() if (entry := _parsed(line)) is not None]

    def _go_on(self, lines: list[dict], header: dict) -> None:
        before = lines[0].get('run', {})
        changed = sorted(key for key in {*before, *header} if before.get(key) != header.get(key))
        if changed:
            raise ValueError(f'--resume: {self.path.parent} holds results of another run; {", ".join(changed)} changed. Give the '
                             'same model and options, choose another --out, or leave out --resume to predict all images anew.')
        for entry in lines[1:]:
            if 'image' in entry:
                self.done[entry.pop('image')] = entry
            elif 'ranges' in entry:
                self.ranges = {name: (low, high) for name, (low, high) in entry['ranges'].items()}

    def _write(self, entry: dict, before: str = '') -> None:
        self._file.write(f'{before}{json.dumps(plain_values(entry))}\n')
        self._file.flush()


def _parsed(line: str) -> dict | None:
    try:
        return json.loads(line)
    except ValueError:
        return None


def _state(source: ImageSource) -> str:
    """Label of an image, with size and time of its file."""
    file = source.video or source.content
    if not isinstance(file, Path):
        return source.label
    state = file.stat()
    return f'{source.label}, {state.st_size} bytes of {state.st_mtime_ns}'
