"""What README and docs write into a clone is no change of it."""
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / 'README.md', *sorted((ROOT / 'docs').glob('*.md'))]
BLOCK = re.compile(r'^```bash\n(.*?)^```', re.DOTALL | re.MULTILINE)
OUTPUT = re.compile(r'--(?:out|report|work-dir|plot-dir|cache) ([a-z][\w./-]*)')


def written():
    """Files and folders that commands of the pages write, with the config that stands beside what was fitted."""
    blocks = [block for page in PAGES for block in BLOCK.findall(page.read_text(encoding='utf-8'))]
    found = {path for block in blocks for path in OUTPUT.findall(block)}
    return sorted(found | {str(Path(path).with_suffix('.py')) for path in found if path.endswith('.pth')})


def test_results_of_documented_commands_are_ignored():
    if not (ROOT / '.git').exists():
        pytest.skip('this is no clone')
    # Pictures of the docs are meant to be changes.
    paths = [path for path in written() if not path.startswith('docs/pictures')]
    assert {'mine', 'fitted.py', 'results.json'} <= set(paths)
    # Folders are ignored with a slash behind their name.
    names = [path if Path(path).suffix else f'{path}/file' for path in paths]
    done = subprocess.run(['git', '-C', str(ROOT), 'check-ignore', '--no-index', *names], capture_output=True, text=True)
    assert sorted(done.stdout.split()) == sorted(names), done.stderr
