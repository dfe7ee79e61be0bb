"""Text is UTF-8 wherever a program runs: what the locale says decides nothing."""
import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCES = sorted(path for folder in ('mmseg_uncertainty', 'tools') for path in (ROOT / folder).rglob('*.py'))


def bare_calls(source):
    """Calls that read or write text without naming its encoding."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            name = getattr(node.func, 'attr', getattr(node.func, 'id', ''))
            words = [value.value for value in (*node.args, *(keyword.value for keyword in node.keywords))
                     if isinstance(value, ast.Constant) and isinstance(value.value, str)]
            opens = name == 'open' and ast.unparse(node.func) in ('open', 'io.open', 'os.fdopen') or (
                name == 'open' and isinstance(node.func, ast.Attribute) and words and set(words[0]) <= set('rwaxbt+'))
            text = name in ('read_text', 'write_text') or opens and not any('b' in word and len(word) < 4 for word in words)
            if text and 'encoding' not in {keyword.arg for keyword in node.keywords}:
                yield ast.unparse(node)


@pytest.mark.parametrize('source, bare', [
    ("path.read_text()", True), ("path.write_text('a', encoding='utf-8')", False), ("open(path)", True),
    ("open(path, 'wb')", False), ("path.open('w')", True), ("path.open('rb')", False), ("Image.open(path)", False)])
def test_calls_without_an_encoding_are_found(source, bare):
    assert bool(list(bare_calls(source))) == bare


def test_every_text_file_names_its_encoding():
    found = [f'{path.relative_to(ROOT)}: {call}' for path in SOURCES
             for call in bare_calls(path.read_text(encoding='utf-8'))]
    assert found == []
