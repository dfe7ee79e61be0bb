"""The list of datasets is quick, whole, and right about what is missing."""
import re
import subprocess
import sys

import pytest

from mmseg_uncertainty.cli.commands import main
from mmseg_uncertainty.runtime.dataset_catalog import CATALOG, Dataset, Part, missing_of
from mmseg_uncertainty.runtime.output_files import OutputError
from mmseg_uncertainty.runtime.shipped_files import dataset_configs
from mmseg_uncertainty.submissions.splits import BENCHMARKS
from tests.test_cli.test_commands import HELP_SECONDS, processor_seconds
from tests.test_datasets.small_files import write_image


def test_the_list_answers_at_once():
    assert processor_seconds('datasets') < HELP_SECONDS


def test_the_list_imports_no_torch():
    code = ('import sys; from mmseg_uncertainty.cli.commands import call; call("datasets", [])\n'
            'assert not {"torch", "mmseg", "cv2", "matplotlib"} & set(sys.modules)')
    subprocess.run([sys.executable, '-c', code], check=True, stdout=subprocess.DEVNULL)


def test_names_are_those_of_configs():
    assert {name for dataset in CATALOG for name in dataset.configs} <= set(dataset_configs())
    assert all(dataset.title and dataset.layout and dataset.link and dataset.licence and dataset.size for dataset in CATALOG)


def test_every_folder_that_a_config_reads_is_in_the_list():
    read = {found for path in dataset_configs().values()
            for found in re.findall(r'DATA_ROOT:data\}\}/([\w.-]+)', path.read_text())}
    assert read == {part.folder.split('/')[0] for dataset in CATALOG for part in dataset.parts}


def test_numbers_are_those_of_the_splits_that_are_submitted():
    listed = {part.folder: part.files for dataset in CATALOG for part in dataset.parts}
    for splits in BENCHMARKS.values():
        for split in splits.values():
            known = listed.get(split.images)
            assert known is None or split.frames is None or split.frames <= known


def test_what_is_missing_is_counted(tmp_path):
    dataset = Dataset('Toy', (), '', '', '', '', (Part('toy/images', 3), Part('toy/labels', 1), Part('toy/hidden', needed=False)))
    assert missing_of(dataset, tmp_path) == ['toy/images', 'toy/labels']
    for name in ('images/a.png', 'images/sub/b.jpg', 'labels/a.png'):
        write_image(tmp_path / 'toy' / name)
    assert missing_of(dataset, tmp_path) == ['1 of 3 files in toy/images']
    write_image(tmp_path / 'toy/images/c.webp')
    assert missing_of(dataset, tmp_path) == []


def test_datasets_are_chosen_by_words_and_found_below_the_folder(tmp_path, monkeypatch, capsys):
    for index in range(30):
        for kind in ('images', 'labels'):
            write_image(tmp_path / f'fs_static/{kind}/{index}.png')
    monkeypatch.setenv('DATA_ROOT', str(tmp_path))
    main(['datasets', 'fishyscapes'])
    told = capsys.readouterr().out
    assert 'Static' in told and 'RoadAnomaly' not in told
    assert re.search(r'Static.*?state    there', told, re.DOTALL) and 'missing below' in told
    main(['datasets', '--short'])
    assert len(capsys.readouterr().out.splitlines()) == len(CATALOG)


def test_unknown_words_have_a_nearest_name(capsys):
    with pytest.raises(SystemExit) as leaving:
        main(['datasets', 'fishyscape_'])
    assert 'Did you mean Fishyscapes' in str(leaving.value)


def test_a_folder_that_is_none_is_named(tmp_path):
    from mmseg_uncertainty.cli.commands import call
    with pytest.raises(OutputError, match='nowhere is no folder'):
        call('datasets', ['--data-root', str(tmp_path / 'nowhere')])
