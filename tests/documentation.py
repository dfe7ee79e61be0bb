"""Command lines and blocks of code of README and docs, with the place they stand at."""
import re
import shlex
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / 'README.md', *sorted((ROOT / 'docs').glob('*.md'))]
FENCE = re.compile(r'^( *)```(\w*)\n(.*?)^ *```$', re.DOTALL | re.MULTILINE)
# Whole commands in the text begin so, and have arguments; without, they are names.
INLINE = re.compile(r'`((?:mmseg-uncertainty|python|make) [^`]+)`')


@dataclass(frozen=True)
class Passage:
    """A command line or a block of code.

    Args:
        page: Name of the page, without suffix.
        line: Its first line there.
        text: What it says.
    """

    page: str
    line: int
    text: str

    def __str__(self):
        return f'{self.page}.md:{self.line}: {self.text}'

    @property
    def words(self):
        """Words of a command line; of alternatives such as ``IMAGE|FOLDER`` the whole word, of ``[--option]`` the option."""
        return shlex.split(re.sub(r'\[(-[^]]*)\]', r'\1', self.text), comments=True)


def blocks(page, *languages):
    """Blocks of a page in one of these languages."""
    text = page.read_text(encoding='utf-8')
    return [Passage(page.stem, text.count('\n', 0, found.start()) + 2, found[3])
            for found in FENCE.finditer(text) if found[2] in languages]


def commands(page):
    """Command lines of a page, of blocks and of the text, in their order."""
    found = []
    for block in blocks(page, 'bash'):
        line = block.line
        for text in re.sub(r'\\\n *', '\0', block.text).splitlines():
            for part in text.split(' && '):
                if part.strip():
                    found.append(Passage(page.stem, line, part.replace('\0', '').strip()))
            line += 1 + text.count('\0')
    text = FENCE.sub(lambda block: '\n' * block[0].count('\n'), page.read_text(encoding='utf-8'))
    for span in INLINE.finditer(text):
        for part in ' '.join(span[1].split()).split(' && '):
            found.append(Passage(page.stem, text.count('\n', 0, span.start()) + 1, part))
    return sorted(found, key=lambda passage: passage.line)
