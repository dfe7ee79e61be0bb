"""The front door: quick help, names with their nearest match, and lists that agree with what is registered."""
import os
import resource
import subprocess
import sys

import pytest

from mmseg_uncertainty.apis.cluster_jobs import CLUSTERS
from mmseg_uncertainty.apis.export_parity import SIZES
from mmseg_uncertainty.apis.measuring_engines import RAY
from mmseg_uncertainty.apis.onnx_export import OPSET
from mmseg_uncertainty.apis.recipes import RECIPES
from mmseg_uncertainty.caching.map_store import PRECISIONS
from mmseg_uncertainty.cli import names
from mmseg_uncertainty.cli.commands import COMMANDS, main, parse
from mmseg_uncertainty.datasets import CORRUPTIONS
from mmseg_uncertainty.evaluation import EVALUATORS
from mmseg_uncertainty.runtime.shipped_files import dataset_configs

HELP_SECONDS = 0.5


def processor_seconds(*arguments):
    """Least processor time of a process over three of them."""
    def once():
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, '-m', 'mmseg_uncertainty', *arguments], check=True, stdout=subprocess.DEVNULL,
                       env=os.environ | {'OMP_NUM_THREADS': '1'})
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    return min(once() for _ in range(3))


@pytest.mark.parametrize('command', ['', *COMMANDS])
def test_help_answers_at_once(command):
    assert processor_seconds(*command.split(), '--help') < HELP_SECONDS


@pytest.mark.parametrize('command', COMMANDS)
def test_help_imports_neither_torch_nor_mmseg(command):
    code = ('import sys; from mmseg_uncertainty.cli import main\n'
            f'try: main([{command!r}, "--help"])\n'
            'except SystemExit as leaving: assert not leaving.code\n'
            'assert not {"torch", "mmseg", "matplotlib"} & set(sys.modules)')
    subprocess.run([sys.executable, '-c', code], check=True, stdout=subprocess.DEVNULL)


def test_names_are_those_that_are_registered():
    assert names.EVALUATORS == tuple(EVALUATORS) and names.CORRUPTIONS == CORRUPTIONS
    assert (names.CACHE_PRECISIONS, names.CLUSTERS, names.RAY) == (PRECISIONS, CLUSTERS, RAY)
    assert names.RECIPES == tuple(RECIPES)
    assert (names.OPSET, names.SIZES) == (OPSET, SIZES)
    assert set(names.DATASET_ALIASES.values()) <= set(dataset_configs())


@pytest.mark.parametrize('words, near', [
    (['tets'], 'Did you mean test'), (['test', 'x', '--evall', 'IDM'], 'Did you mean --eval'),
    (['test', 'x', '--cache-precision', 'float61'], 'Did you mean float16'),
    (['sweep', 'x', '--launcher', 'pytroch'], 'Did you mean pytorch'), (['models', 'cmavid'], 'Did you mean camvid')])
def test_what_is_unknown_is_answered_with_the_nearest_name(words, near, capsys):
    with pytest.raises(SystemExit) as leaving:
        main(words)
    assert near in capsys.readouterr().err + str(leaving.value)


@pytest.mark.parametrize('arguments, message', [
    (('segformer_b0_camvid', '--eval', 'IMD'), '--eval IMD.*Did you mean IDM'),
    (('segformer_b0_camvid', '--eval', 'IDM', '--corrupt-type', 'snwo'), 'Did you mean snow'),
    (('segformer_b0_camvid', '--heads', 'entropi'), 'Did you mean entropy'),
    (('segformer_b0_camvif', '--eval', 'IDM'), 'Did you mean segformer_b0_camvid'),
    (('mmseg::pspnet/pspnet_r18-d8_4xb4-80k_lovda-512x512', 'x.pth'), 'Did you mean mmseg::pspnet/.*loveda'),
    (('mmseg_uncertainty::segformer/segformer_b0_camvid_FEDX.py', 'x.pth'), 'Did you mean .*FED')])
def test_names_of_a_measurement_have_a_nearest_match(run_tool, arguments, message):
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        run_tool('test', *arguments)


def test_the_names_of_models_say_what_they_are_for(capsys):
    main(['models'])
    told = capsys.readouterr().out
    assert 'segformer_b0_camvid\n    for photos of streets' in told
    assert 'segformer_b0_toy_roads\n    for rendered streets (docs/tutorial.md), not photos' in told


def test_the_model_of_the_app_was_trained_on_photos():
    from mmseg_uncertainty.cli.models import index_entries
    assert index_entries()[parse('app', []).model]['Metadata']['For'].startswith('photos')
