"""What a tool cannot use is refused in a line, before anything is measured."""
import ast
import json
import os
import signal
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmseg.registry import DATASETS, MODELS

from mmseg_uncertainty.datasets import CheckedSegDataset
from mmseg_uncertainty.engine.checkpoints import CheckpointError
from mmseg_uncertainty.engine.hooks import IterationSeedHook
from mmseg_uncertainty.engine.matching_data import BatchError, ClassMismatchError
from mmseg_uncertainty.runtime.command_line import Interrupted
from mmseg_uncertainty.runtime.output_files import OutputError
from tests.test_tools.conftest import TOOLS
from tests.test_tools.test_train_and_test import HEADS, TEST_LOADER, base, scores_config, write_config  # noqa: F401
from tests.tiny import tiny_base, tiny_posthoc


@DATASETS.register_module()
class TwoThings(CheckedSegDataset):
    METAINFO = dict(classes=('background', 'thing'), palette=[[0, 0, 0], [255, 0, 0]])


@pytest.fixture
def things(tmp_path):
    """Two images of different sizes with labels 0 and 1; returns the config of a dataloader."""
    random = np.random.default_rng(0)
    for name, size in (('a', (64, 96)), ('b', (64, 128))):
        for kind, highest in (('images', 256), ('labels', 2)):
            (tmp_path / 'things' / kind).mkdir(parents=True, exist_ok=True)
            shape = (*size, 3) if kind == 'images' else size
            cv2.imwrite(str(tmp_path / f'things/{kind}/{name}.png'), random.integers(0, highest, shape, np.uint8))
    pipeline = [dict(type='LoadImageFromFile'), dict(type='LoadLabels'), dict(type='PackSegInputs')]
    dataset = dict(type='TwoThings', data_root=str(tmp_path / 'things'), pipeline=pipeline,
                   data_prefix=dict(img_path='images', seg_map_path='labels'))
    return dict(TEST_LOADER, dataset=dataset)


def config_with(path, source, **changes):
    config = Config.fromfile(source)
    for key, value in changes.items():
        config[key] = value
    config.dump(path)
    return path


@pytest.fixture
def no_test(monkeypatch):
    """Nothing may be measured."""
    monkeypatch.setattr('mmengine.runner.TestLoop.run', None)
    monkeypatch.setattr('mmengine.runner.Runner.from_cfg', None)


@pytest.mark.parametrize('option, path', [('--out', 'folder'), ('--out', 'file/r.json'), ('--report', 'file'),
                                          ('--plot-dir', 'file/plots'), ('--work-dir', 'file'), ('--cache', 'file')])
def test_outputs_are_checked_first(run_tool, scores_config, base, tmp_path, no_test, option, path):
    (tmp_path / 'folder').mkdir()
    (tmp_path / 'file').touch()
    with pytest.raises(OutputError, match=f'{option} {path}'):
        run_tool('test', scores_config, base, '--eval', 'mIoU', option, path)


@pytest.mark.parametrize('tool, arguments', [
    ('train', ('--load-from', 'base.pth', '--work-dir', 'file')), ('sweep', ('--work-dir', 'file')),
    ('dataset_stats', ('--out', 'file/stats.json')),
    ('dataset_stats', ('--weights', 'inverse', '--weights-out', 'file/w.json'))])
def test_outputs_of_other_tools_are_checked_first(run_tool, scores_config, base, tmp_path, tool, arguments):
    (tmp_path / 'file').touch()
    with pytest.raises(OutputError, match='file'):
        run_tool(tool, scores_config, *arguments)


def test_outputs_of_predictions_and_exports_are_checked_before_the_model(run_tool, tmp_path):
    (tmp_path / 'file').touch()
    (tmp_path / 'folder.onnx').mkdir()
    with pytest.raises(OutputError, match='--out file'):
        run_tool('infer', 'nothing.png', 'no_model', '--out', 'file')
    with pytest.raises(OutputError, match='--out folder.onnx'):
        run_tool('export_onnx', 'no_model', '--out', 'folder.onnx')


def test_metrics_of_the_config_are_written(run_tool, scores_config, base):
    """mmseg's IoUMetric returns numbers of NumPy."""
    run_tool('test', scores_config, base, '--out', 'r.json')
    assert 0 <= json.loads(Path('r.json').read_text())['metrics']['mIoU'] <= 100


def test_a_checkpoint_below_the_home_is_hashed(run_tool, scores_config, base, tmp_path, monkeypatch):
    monkeypatch.setenv('HOME', str(tmp_path))
    run_tool('test', scores_config, '~/base.pth', '--eval', 'mIoU', '--out', 'r.json')
    assert len(json.loads(Path('r.json').read_text())['checkpoint_sha256']) == 64


@pytest.mark.parametrize('name', ['mIoU', 'IDM', 'macroF1'])
def test_a_dataset_of_other_classes_is_not_measured(run_tool, scores_config, base, things, tmp_path, name):
    config = config_with(tmp_path / 'two.py', scores_config, test_dataloader=things)
    with pytest.raises(ClassMismatchError, match='model has 8 classes, and TwoThings has 2 classes'):
        run_tool('test', config, base, '--eval', name)


@pytest.mark.parametrize('loop', [dict(type='CalibrationLoop'), dict(type='IterBasedTrainLoop', max_iters=1)])
def test_heads_are_not_fitted_to_other_classes(run_tool, base, things, tmp_path, loop):
    model = tiny_posthoc(HEADS, classes=8, set_head=dict(type='ConformalRiskControlHead', num_classes=8))
    config = write_config(tmp_path / 'crc.py', model)
    config = config_with(tmp_path / 'two.py', config, train_dataloader=things, train_cfg=loop)
    with pytest.raises(ClassMismatchError, match='model has 8 classes, and TwoThings has 2 classes'):
        run_tool('train', config, '--load-from', base, '--work-dir', 'run')
    assert not list(Path('run').glob('*.pth'))


def test_names_in_another_order_are_refused(run_tool, scores_config, base):
    checkpoint = torch.load(base)
    names = list(DATASETS.get('ToyRoadsDataset').METAINFO['classes'])
    checkpoint['meta'] = dict(dataset_meta=dict(classes=names[::-1]))
    torch.save(checkpoint, 'reversed.pth')
    with pytest.raises(ClassMismatchError, match="'road' is class 7 of the model"):
        run_tool('test', scores_config, 'reversed.pth', '--eval', 'mIoU')


@pytest.mark.parametrize('loop, message', [
    (dict(type='IterBasedTrainLoop', max_iters=1), r"one.py: none of the heads \['msp'\] learns by gradient.*CalibrationLoop"),
    (dict(type='CalibrationLoop'), 'one.py: no part of the model is fitted by statistics.*calibrator')])
def test_scores_that_need_no_fitting_are_not_trained(run_tool, base, tmp_path, monkeypatch, loop, message):
    config = config_with(tmp_path / 'one.py', write_config(tmp_path / 'fed.py', tiny_posthoc(dict(msp=HEADS['msp']), classes=8)),
                         train_cfg=loop)
    monkeypatch.setattr('mmengine.runner.Runner.from_cfg', None)
    with pytest.raises(ValueError, match=message):
        run_tool('train', config, '--load-from', base, '--work-dir', 'run')
    assert not Path('run').exists()


def test_a_head_of_an_unknown_type_is_named_by_the_model(run_tool, base, tmp_path):
    config = write_config(tmp_path / 'one.py', tiny_posthoc(dict(msp=dict(type='MspHead')), classes=8))
    with pytest.raises(KeyError, match="uncertainty head 'msp' has the unknown type 'MspHead'"):
        run_tool('train', config, '--load-from', base, '--work-dir', 'run')


def test_a_batch_of_several_sizes_is_named(run_tool, base, things, tmp_path):
    model = tiny_posthoc(dict(msp=HEADS['msp']), classes=2)
    state = {key: value[:2] if 'conv_seg' in key else value for key, value in torch.load(base)['state_dict'].items()}
    torch.save(dict(state_dict=state), 'two.pth')
    config = write_config(tmp_path / 'plain.py', model)
    config = config_with(tmp_path / 'two.py', config, test_dataloader=dict(things, batch_size=2))
    with pytest.raises(BatchError, match=r'a\.png has 96×64 pixels, .*b\.png has 128×64'):
        run_tool('test', config, 'two.pth', '--eval', 'mIoU')


def test_colours_in_the_place_of_labels_are_named_whatever_loads_them(run_tool, base, things, tmp_path):
    """The loading step of mmseg keeps all channels."""
    things['dataset']['pipeline'][1]['type'] = 'LoadAnnotations'
    for path in (tmp_path / 'things/labels').iterdir():
        cv2.imwrite(str(path), np.random.default_rng(0).integers(0, 2, (*cv2.imread(str(path)).shape[:2], 3), np.uint8))
    state = {key: value[:2] if 'conv_seg' in key else value for key, value in torch.load(base)['state_dict'].items()}
    torch.save(dict(state_dict=state), 'two.pth')
    model = tiny_posthoc(dict(msp=HEADS['msp']), classes=2)
    config = config_with(tmp_path / 'two.py', write_config(tmp_path / 'plain.py', model), test_dataloader=things)
    for name in ('mIoU', 'IDM'):
        with pytest.raises(ValueError, match=r'a\.png has labels of the shape .*, expected one class index per pixel'):
            run_tool('test', config, 'two.pth', '--eval', name)


@pytest.mark.parametrize('cfg, advice', [(None, 'has no train_cfg'), (dict(by_epoch=False, max_iters=2), None)])
def test_train_loops_need_no_type_but_a_length(run_tool, base, tmp_path, cfg, advice):
    config = write_config(tmp_path / 'fed.py', tiny_posthoc(HEADS, classes=8))
    config = config_with(tmp_path / 'fed2.py', config, train_cfg=cfg)
    arguments = ('train', config, '--load-from', base, '--work-dir', 'run')
    if advice:
        with pytest.raises(ValueError, match=advice):
            run_tool(*arguments)
    else:
        run_tool(*arguments)
        assert Path('run/iter_2.pth').is_file()


def test_configs_without_data_or_file_are_named(run_tool, scores_config, base, tmp_path):
    config = config_with(tmp_path / 'bare.py', scores_config, test_dataloader=None)
    for more in ((), ('--data-root', 'elsewhere')):
        with pytest.raises(ValueError, match='bare.py has no test_dataloader'):
            run_tool('test', config, base, *more)
    for arguments in (('test', 'scorse.py', base), ('train', 'scorse.py'), ('infer', 'a.png', 'scorse.py', base)):
        with pytest.raises(FileNotFoundError, match=r'scorse.py does not exist. Did you mean scores.py'):
            run_tool(*arguments)


@pytest.mark.parametrize('arguments', [('--protocol', 'per_image'), ('--plot-dir', 'plots')])
def test_options_of_evaluators_need_evaluators(run_tool, scores_config, base, arguments, capsys):
    with pytest.raises(SystemExit):
        run_tool('test', scores_config, base, *arguments)
    assert f'{arguments[0]} is an option of the evaluators that --eval names' in capsys.readouterr().err


def test_a_dataset_of_a_similar_name_is_offered(run_tool, scores_config, base):
    with pytest.raises(ValueError, match='fs_statik: unknown. Did you mean fs_static?'):
        run_tool('test', scores_config, base, '--test-dataset', 'fs_statik')


@pytest.mark.parametrize('tool, arguments, message', [
    ('infer', ('a.png', 'm', '--threshold', 'entropy'), "'entropy' is no HEAD=VALUE, such as entropy=1.2"),
    ('infer', ('a.png', 'm', '--threshold', 'entropy=high'), "'entropy=high' is no HEAD=VALUE"),
    ('export_onnx', ('m', '--out', 'm.onx'), "the suffix '.onx' tells no format; expected one of .onnx, .pt, .pt2"),
    ('export_onnx', ('m', '--sizes', '64'), "'64' is no HEIGHTxWIDTH"),
    ('app', ('--port', '80000'), "'80000' is no port, expected a number from 1 to 65535")])
def test_values_of_options_are_checked(run_tool, capsys, tool, arguments, message):
    with pytest.raises(SystemExit):
        run_tool(tool, *arguments)
    assert message in capsys.readouterr().err


@pytest.mark.parametrize('device', ['gpu', 'cuda:77', 'xpu:9'])
def test_devices_that_are_not_there_are_named(run_tool, scores_config, base, device):
    with pytest.raises(ValueError, match=f'--device {device}: .*cpu'):
        run_tool('infer', 'a.png', scores_config, base, '--device', device)


def test_options_that_an_onnx_file_cannot_honour_are_refused(run_tool):
    with pytest.raises(ValueError, match='Leave out --device'):
        run_tool('infer', 'a.png', 'model.onnx', '--device', 'cpu')


def test_the_first_interrupt_saves_and_the_run_goes_on_as_if_unbroken(run_tool, base, tmp_path, monkeypatch):
    config = write_config(tmp_path / 'fed.py', tiny_posthoc(HEADS, classes=8))
    arguments = ('train', config, '--load-from', base, '--work-dir')
    run_tool(*arguments, 'unbroken')
    handler, seed_as_usual = signal.getsignal(signal.SIGINT), IterationSeedHook.before_train_iter

    def interrupt(hook, runner, batch_idx, data_batch=None):
        seed_as_usual(hook, runner, batch_idx, data_batch)
        if runner.iter == 2:
            os.kill(os.getpid(), signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(IterationSeedHook, 'before_train_iter', interrupt)
        with pytest.raises(Interrupted, match='Saved .*iter_3.pth after 3 of 6 iterations.*--resume'):
            run_tool(*arguments, 'run')
    assert signal.getsignal(signal.SIGINT) is handler
    Path('run').rename('moved')
    run_tool(*arguments, 'moved', '--resume')
    resumed, unbroken = (torch.load(tmp_path / name / 'iter_6.pth', weights_only=False) for name in ('moved', 'unbroken'))
    assert all(torch.equal(value, unbroken['state_dict'][key]) for key, value in resumed['state_dict'].items())
    assert resumed['meta']['fitted_on'] == unbroken['meta']['fitted_on']


def test_the_second_interrupt_says_what_was_saved_before(run_tool, base, tmp_path, monkeypatch):
    config = write_config(tmp_path / 'fed.py', tiny_posthoc(HEADS, classes=8))

    def twice(hook, runner, batch_idx, data_batch=None):
        if runner.iter == int(os.environ['STOP_AT']):
            for _ in range(2):
                os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(IterationSeedHook, 'before_train_iter', twice)
    for at, told in (('0', 'Nothing was saved'), ('3', 'iter_2.pth was saved last.*--resume')):
        monkeypatch.setenv('STOP_AT', at)
        with pytest.raises(Interrupted, match=told):
            run_tool('train', config, '--load-from', base, '--work-dir', 'run')


def test_resuming_from_a_lost_checkpoint_is_refused(run_tool, base, tmp_path):
    config = write_config(tmp_path / 'fed.py', tiny_posthoc(HEADS, classes=8))
    Path('run').mkdir()
    Path('run/last_checkpoint').write_text('/gone/iter_4.pth')
    with pytest.raises(CheckpointError, match='--resume: run/last_checkpoint names /gone/iter_4.pth'):
        run_tool('train', config, '--load-from', base, '--work-dir', 'run', '--resume')


COMMANDS = TOOLS.parent / 'mmseg_uncertainty'


def calls_of(name):
    for path in sorted([*TOOLS.rglob('*.py'), *COMMANDS.rglob('*.py')]):
        for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
            if isinstance(node, ast.Call) and getattr(node.func, 'attr', '') == name:
                yield path, node


def test_every_option_says_what_it_does():
    silent = [f'{path.name}: {ast.unparse(call)}' for path, call in calls_of('add_argument')
              if 'help' not in {keyword.arg for keyword in call.keywords}]
    assert silent == [] and sum(1 for _ in calls_of('add_argument')) > 100


PURE = """
from mmengine.config import read_base
from mmengine.dataset import DefaultSampler
from mmengine.runner import TestLoop
from mmcv.transforms import LoadImageFromFile, Resize
from mmseg.datasets.transforms import LoadAnnotations, PackSegInputs
from mmseg.models.segmentors import EncoderDecoder

model = dict({model})
model['type'] = EncoderDecoder
test_dataloader = dict(batch_size=1, num_workers=0, sampler=dict(type=DefaultSampler, shuffle=False), dataset=dict(
    type='TwoThings', data_root='things', data_prefix=dict(img_path='images', seg_map_path='labels'),
    pipeline=[dict(type=LoadImageFromFile), dict(type=Resize, scale=(96, 64)), dict(type=LoadAnnotations),
              dict(type=PackSegInputs)]))
default_scope = 'mmseg'
"""


def test_types_may_be_classes(run_tool, things, tmp_path, capsys):
    """As configs of pure Python give them."""
    torch.manual_seed(0)
    model = tiny_base(num_classes=2)
    (tmp_path / 'pure.py').write_text(PURE.format(model=f'**{model!r}'))
    torch.save(dict(state_dict=MODELS.build(Config(model)).state_dict()), 'two.pth')
    run_tool('infer', 'things/images', 'pure.py', 'two.pth', '--out', 'out')
    assert '2 images predicted' in capsys.readouterr().out
    outputs = []
    for options in ((), ('--corrupt-type', 'fog', '--corrupt-severity', '5')):
        run_tool('test', 'pure.py', 'two.pth', '--eval', 'ECE', '--out', 'r.json', *options)
        outputs.append(json.loads(Path('r.json').read_text())['metrics'])
    assert outputs[0] != outputs[1]
    run_tool('export_onnx', 'pure.py', 'two.pth', '--out', 'two.pt')
    assert 'outputs labels' in capsys.readouterr().out
