"""The main job on rendered streets, and what happens when its inputs are wrong."""
import json
import pickle
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmseg.registry import MODELS, TRANSFORMS

from mmseg_uncertainty.datasets import DatasetError
from mmseg_uncertainty.engine.checkpoints import CheckpointError
from tests.tiny import TINY_TOY_ROADS, tiny_base, tiny_posthoc

HEADS = dict(msp=dict(type='MSPHead'), fedu=dict(type='FlowEneDetHead'))
TEST_LOADER = dict(
    batch_size=1, num_workers=0, sampler=dict(type='DefaultSampler', shuffle=False, round_up=False),
    dataset=dict(type='ToyRoadsDataset', split='test', length=3, size=(64, 96), test_mode=True,
                 pipeline=[dict(type='RenderToyRoads'), dict(type='PackSegInputs')]))


@TRANSFORMS.register_module()
class LoseLabels:
    """As of labels that were converted wrongly."""

    def __call__(self, results):
        results['gt_seg_map'] = np.full_like(results['gt_seg_map'], 255)
        return results


def write_config(path, model):
    Config(dict(
        **TINY_TOY_ROADS, model=model, test_dataloader=TEST_LOADER, test_evaluator=dict(type='IoUMetric'),
        test_cfg=dict(type='TestLoop'))).dump(path)
    return path


@pytest.fixture
def base(tmp_path):
    torch.manual_seed(0)
    state = MODELS.build(Config(tiny_base(num_classes=8))).state_dict()
    torch.save(dict(state_dict=state, meta={}), tmp_path / 'base.pth')
    return tmp_path / 'base.pth'


@pytest.fixture
def scores_config(tmp_path):
    return write_config(tmp_path / 'scores.py', tiny_posthoc(dict(msp=HEADS['msp']), classes=8))


@pytest.fixture
def folder(tmp_path):
    """Images in three formats with labels 0, 1 and 255."""
    for name in ('images', 'labels'):
        (tmp_path / 'own' / name).mkdir(parents=True)
    generator = np.random.default_rng(0)
    for stem, suffix in (('a', 'png'), ('b', 'jpg'), ('c', 'webp')):
        cv2.imwrite(str(tmp_path / f'own/images/{stem}.{suffix}'), generator.integers(0, 255, (64, 96, 3), np.uint8))
        labels = generator.choice(np.array([0, 1, 255], np.uint8), (64, 96))
        cv2.imwrite(str(tmp_path / f'own/labels/{stem}.png'), labels)
    return tmp_path / 'own'


def test_fit_then_measure(run_tool, tmp_path, base):
    config = write_config(tmp_path / 'fed.py', tiny_posthoc(HEADS, classes=8))
    run_tool('train', config, '--load-from', base, '--work-dir', tmp_path / 'run')
    fitted = tmp_path / 'run/iter_6.pth'
    run_tool('test', config, fitted, '--eval', 'mIoU', 'IDM', '--out', tmp_path / 'results.json')
    results = json.loads((tmp_path / 'results.json').read_text())
    assert {'msp/IDM_AUROC[pooled]', 'fedu/IDM_FPR95[pooled]'} <= set(results['metrics'])
    assert results['checkpoint_sha256'] and results['versions']['torch'] == torch.__version__
    assert results['images'] == 3


@pytest.mark.parametrize('heads, schedule', [
    (dict(fedu=HEADS['fedu']), dict(type='IterBasedTrainLoop', max_iters=2)),
    (dict(maha=dict(type='MahalanobisHead')), dict(type='CalibrationLoop'))])
def test_nothing_is_saved_of_a_fit_on_void_alone(run_tool, tmp_path, base, heads, schedule):
    config = write_config(tmp_path / 'fit.py', tiny_posthoc(heads, classes=8))
    changed = Config.fromfile(config)
    changed.train_cfg = schedule
    if schedule['type'] == 'CalibrationLoop':
        changed.default_hooks = {}
    changed.train_dataloader.dataset.pipeline = [dict(type='RenderToyRoads'), dict(type='LoseLabels'), dict(type='PackSegInputs')]
    changed.train_dataloader.sampler = dict(type='DefaultSampler', shuffle=False, round_up=False)
    changed.dump(config)
    with pytest.raises(ValueError, match=f'{next(iter(heads.values()))["type"]}: no .* label'):
        run_tool('train', config, '--load-from', base, '--work-dir', tmp_path / 'run')
    assert not list((tmp_path / 'run').rglob('*.pth'))


def test_resume_starts_from_the_base_then_goes_on(run_tool, tmp_path, base):
    config = write_config(tmp_path / 'fed.py', tiny_posthoc(HEADS, classes=8))
    arguments = (config, '--load-from', base, '--work-dir', tmp_path / 'run', '--resume', '--cfg-options')
    run_tool('train', *arguments, 'train_cfg.max_iters=4')
    assert (tmp_path / 'run/iter_4.pth').is_file() and not (tmp_path / 'run/iter_6.pth').exists()
    run_tool('train', *arguments, 'train_cfg.max_iters=6')
    run_tool('train', config, '--load-from', base, '--work-dir', tmp_path / 'unbroken')
    resumed, unbroken = (torch.load(tmp_path / name / 'iter_6.pth', weights_only=False)['state_dict']
                         for name in ('run', 'unbroken'))
    assert all(torch.equal(value, unbroken[key]) for key, value in resumed.items())


def test_two_runs_with_corruption_agree_and_differ_from_the_clean_one(run_tool, tmp_path, base, scores_config):
    outputs = []
    for name, options in dict(one=('--corrupt-type', 'gaussian_noise', '--corrupt-severity', '3'),
                              two=('--corrupt-typ', 'gaussian_noise', '--corrupt-sev', '3'), clean=()).items():
        run_tool('test', scores_config, base, '--eval', 'IDM', '--out', f'{name}.json', *options)
        outputs.append(json.loads(Path(f'{name}.json').read_text())['metrics'])
    assert outputs[0] == outputs[1] != outputs[2]


def test_a_named_model_is_measured(run_tool):
    run_tool('test', 'segformer_b0_toy_roads', '--eval', 'IDM', '--heads', 'msp', '--out', 'r.json', '--cfg-options',
             'test_dataloader.dataset.length=2', 'test_dataloader.dataset.size=(64,96)')
    results = json.loads(Path('r.json').read_text())
    assert results['images'] == 2 and 0 <= results['metrics']['msp/IDM_AUROC[pooled]'] <= 100


def test_any_folder_is_measured(run_tool, base, scores_config, folder):
    run_tool('test', scores_config, base, '--eval', 'mFishy', '--test-dataset', 'folder', '--data-root', folder,
             '--out', 'results.json')
    metrics = json.loads(Path('results.json').read_text())['metrics']
    assert 0 <= metrics['msp/AUROC[pooled]'] <= 100


def test_no_positives_give_null_and_name_the_dataset(run_tool, base, scores_config, folder, capfd):
    for path in (folder / 'labels').iterdir():
        cv2.imwrite(str(path), np.zeros((64, 96), np.uint8))
    run_tool('test', scores_config, base, '--eval', 'mFishy', '--test-dataset', 'folder', '--data-root', folder,
             '--out', 'results.json')
    assert json.loads(Path('results.json').read_text())['metrics']['msp/AUROC[pooled]'] is None
    assert 'own' in ''.join(capfd.readouterr()) or folder.name == 'own'


def test_broken_files_are_named_then_skipped_and_counted(run_tool, base, scores_config, folder):
    (folder / 'images/d.png').write_bytes(b'no image')
    cv2.imwrite(str(folder / 'labels/d.png'), np.zeros((64, 96), np.uint8))
    arguments = (scores_config, base, '--eval', 'mFishy', '--test-dataset', 'folder', '--data-root', folder, '--out',
                 'results.json')
    with pytest.raises(DatasetError, match='d.png'):
        run_tool('test', *arguments)
    assert not Path('results.json').exists()
    run_tool('test', *arguments, '--skip-broken')
    results = json.loads(Path('results.json').read_text())
    assert results['images'] == 3 and [Path(path).name for path in results['skipped']] == ['d.png']


@pytest.mark.parametrize('arguments, message', [
    (('--eval', 'mFish'), 'mFish.*mFishy'),
    (('--test-dataset', 'nowhere'), 'nowhere.*fs_static'),
    (('--corrupt-type', 'snowfall'), 'snowfall.*snow'),
    (('--eval', 'mFishy', '--test-dataset', 'folder', '--data-root', 'missing'), 'missing does not exist'),
    (('--eval', 'mFishy'), 'mFishy needs anomaly labels'),
])
def test_a_wrong_option_is_named_with_the_right_ones(run_tool, base, scores_config, arguments, message):
    with pytest.raises(ValueError, match=message):
        run_tool('test', scores_config, base, *arguments)


def test_a_severity_out_of_range_is_named(run_tool, base, scores_config, capsys):
    with pytest.raises(SystemExit):
        run_tool('test', scores_config, base, '--corrupt-type', 'snow', '--corrupt-severity', '6')
    assert "'6' does not fit, expected a whole number from 0 to 5" in capsys.readouterr().err


def test_another_class_count_is_refused(run_tool, tmp_path, base):
    config = write_config(tmp_path / 'five.py', tiny_posthoc(dict(msp=HEADS['msp']), classes=5))
    with pytest.raises(CheckpointError, match=r'conv_seg.*\(8.*\(5'):
        run_tool('test', config, base, '--eval', 'IDM')


def test_another_architecture_is_refused(run_tool, tmp_path, base, scores_config):
    torch.save(dict(state_dict={'backbone.stem.weight': torch.zeros(3)}), tmp_path / 'other.pth')
    with pytest.raises(CheckpointError, match='tensors of the base model are missing'):
        run_tool('test', scores_config, tmp_path / 'other.pth', '--eval', 'IDM')


def test_a_head_without_weights_says_how_to_fit_it(run_tool, tmp_path, base):
    config = write_config(tmp_path / 'fed.py', tiny_posthoc(HEADS, classes=8))
    with pytest.raises(CheckpointError, match=r'uncertainty_heads.fedu.*tools/train.py'):
        run_tool('test', config, base, '--eval', 'IDM')


def test_heads_fitted_on_another_base_are_refused(run_tool, tmp_path, base):
    config = write_config(tmp_path / 'fed.py', tiny_posthoc(HEADS, classes=8))
    run_tool('train', config, '--load-from', base, '--work-dir', tmp_path / 'run')
    checkpoint = torch.load(tmp_path / 'run/iter_6.pth', weights_only=False)
    checkpoint['state_dict']['decode_head.conv_seg.bias'] += 1
    torch.save(checkpoint, tmp_path / 'mixed.pth')
    with pytest.raises(CheckpointError, match='fitted on the base model'):
        run_tool('test', config, tmp_path / 'mixed.pth', '--eval', 'IDM')


class Trap:
    """Creates a file when it is unpickled."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return open, (self.path, 'w')


@pytest.mark.parametrize('save', [torch.save, lambda content, path: path.write_bytes(pickle.dumps(content))])
@pytest.mark.parametrize('tool', ['train', 'test'])
def test_code_in_a_checkpoint_never_runs(run_tool, tmp_path, scores_config, save, tool):
    save(dict(state_dict={}, meta=Trap(tmp_path / 'sprung')), tmp_path / 'trap.pth')
    arguments = [scores_config, tmp_path / 'trap.pth'] if tool == 'test' else [
        scores_config, '--load-from', tmp_path / 'trap.pth']
    with pytest.raises(CheckpointError, match='trap.pth.*not executed'):
        run_tool(tool, *arguments)
    assert not (tmp_path / 'sprung').exists()


def test_a_text_file_is_no_checkpoint(run_tool, tmp_path, scores_config):
    (tmp_path / 'notes.pth').write_text('weights are elsewhere')
    with pytest.raises(CheckpointError, match='notes.pth'):
        run_tool('test', scores_config, tmp_path / 'notes.pth')


def test_fitting_without_a_base_is_refused(run_tool, tmp_path):
    with pytest.raises(CheckpointError, match='--load-from'):
        run_tool('train', write_config(tmp_path / 'fed.py', tiny_posthoc(HEADS, classes=8)))
