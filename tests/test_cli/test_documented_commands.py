"""Every command line of README and docs is one that the commands accept."""
import re
import shlex
from pathlib import Path

import pytest

from mmseg_uncertainty.cli.commands import COMMANDS, parse
from mmseg_uncertainty.cli.names import RECIPES

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / 'README.md', *sorted((ROOT / 'docs').glob('*.md'))]
CALL = re.compile(r'(?:^|bin/)(?:mmseg-uncertainty|python (?:\S*/)?tools)[ /](\w[\w-]*)(?:\.py)?((?: .*)?)$', re.MULTILINE)
TOOLS = dict(export_onnx='export')


def documented():
    for page in PAGES:
        for block in re.findall(r'^```bash\n(.*?)^```', page.read_text(encoding='utf-8'), re.DOTALL | re.MULTILINE):
            for name, words in CALL.findall(block.replace('\\\n', ' ')):
                name = TOOLS.get(name, name)
                if name in COMMANDS:
                    yield pytest.param(name, words, id=f'{page.stem}: {name}{words}')


@pytest.mark.parametrize('name, words', documented())
def test_documented_commands_are_accepted(name, words):
    words = re.sub(r'\[([^]]*)\]', r'\1', words.replace('|', '-'))
    args = parse(name, shlex.split(words, comments=True))
    if 'test_dataset' in args and args.test_dataset:
        from mmseg_uncertainty.cli.test import dataset_config
        assert dataset_config(args.test_dataset)


def test_every_command_is_documented():
    assert {param.values[0] for param in documented()} >= {'infer', 'fit', 'test', 'train', 'app', 'export', 'sweep'}


def test_every_recipe_is_documented():
    howto = (ROOT / 'docs/howto.md').read_text(encoding='utf-8')
    assert all(f'`{name}`' in howto for name in RECIPES)
