"""The page of methods lists every method, from its record, wherever it is read."""
import importlib.util
import inspect

import pytest

from mmseg_uncertainty.models import calibrators, decode_heads, set_heads
from tests.test_tools.conftest import TOOLS

SPEC = importlib.util.spec_from_file_location('methods_table', TOOLS / 'methods_table.py')
methods_table = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(methods_table)


def test_every_method_has_a_row_with_its_source():
    table = methods_table.PAGE.read_text(encoding='utf-8')
    for package in (decode_heads, calibrators, set_heads):
        for name, method in inspect.getmembers(package, inspect.isclass):
            if 'info' in vars(method) and not inspect.isabstract(method):
                row = next(line for line in table.splitlines() if line.startswith(f'| `{name}` |'))
                assert method.info.title in row and row.endswith('| yes |' if method.info.fitted else '| no |')


def test_the_page_is_that_of_the_records():
    page = methods_table.PAGE.read_text(encoding='utf-8')
    assert methods_table.page_with_tables(page) == page, 'run tools/methods_table.py'
    with pytest.raises(ValueError, match='Put it back'):
        methods_table.page_with_tables('# Methods')
