"""The floors of coverage: what fell is named, and leeway is left."""
import importlib.util
import json
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def tool():
    spec = importlib.util.spec_from_file_location('check_coverage', ROOT / 'tools/check_coverage.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def report(**files):
    summary = {f'{name}.py': dict(summary=dict(percent_covered=value, num_statements=10)) for name, value in files.items()}
    return dict(files=summary | {'empty.py': dict(summary=dict(percent_covered=100., num_statements=0))},
                totals=dict(percent_covered=sum(files.values()) / len(files)))


def test_a_file_that_fell_is_named_and_others_are_not(tool):
    floors = tool.floors_of(tool.percentages(report(whole=100., part=80.5)))
    assert floors == {'all': 85, 'part.py': 75}
    assert not tool.fallen(tool.percentages(report(whole=95.5, part=75.)), floors)
    told = tool.fallen(tool.percentages(report(whole=90., part=74.9)), floors)
    assert [line.split(':')[0] for line in told] == ['all', 'whole.py', 'part.py']
    assert told[2] == 'part.py: 74.9 % of the lines ran, the floor is 75 %'


def test_the_command_ends_with_the_files_that_fell(run_tool, tmp_path):
    for name, value in (('good', 90.), ('bad', 50.)):
        (tmp_path / f'{name}.json').write_text(json.dumps(report(part=value)))
    with pytest.raises(SystemExit, match='Write it with --write'):
        run_tool('check_coverage', tmp_path / 'good.json', '--floors', 'floors.json')
    run_tool('check_coverage', tmp_path / 'good.json', '--floors', 'floors.json', '--write')
    run_tool('check_coverage', tmp_path / 'good.json', '--floors', 'floors.json')
    with pytest.raises(SystemExit, match='(?s)Coverage fell:.*part.py: 50.0 %'):
        run_tool('check_coverage', tmp_path / 'bad.json', '--floors', 'floors.json')
