"""Anything is fitted to any model on a folder, without writing a config."""
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmseg.registry import MODELS

from mmseg_uncertainty.apis import UncertaintyInferencer, fit
from mmseg_uncertainty.apis.config_files import load_config
from mmseg_uncertainty.apis.fit_plan import FitData, fit_configs
from mmseg_uncertainty.apis.recipes import RECIPES, chosen_recipes
from mmseg_uncertainty.cli import call
from mmseg_uncertainty.runtime.prediction_writer import SaveOptions
from tests.documented_folder import SMALL_PSPNET
from tests.tiny import tiny_base

ZOO = 'mmseg::pspnet/pspnet_r18-d8_4xb4-80k_loveda-512x512'
CLASSES = ['road', 'grass', 'sky', 'house']
CHANGES = {**SMALL_PSPNET, 'model.decode_head.num_classes': 4, 'model.auxiliary_head.num_classes': 4,
           'test_dataloader.dataset.pipeline.1.scale': '(96,64)'}


@pytest.fixture
def own(tmp_path, monkeypatch):
    """An empty folder with 12 images of 4 classes, of which each image shows its class by its colour, and a list of these."""
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(0)
    for folder in ('images', 'labels'):
        Path('own', folder).mkdir(parents=True)
    for index in range(12):
        labels = np.kron(random.integers(0, 4, (4, 6)), np.ones((16, 16))).astype(np.uint8)
        image = np.stack([60 * labels] * 3, -1) + random.integers(0, 40, (64, 96, 3))
        labels[:2] = 255
        cv2.imwrite(f'own/images/{index}.png', image.astype(np.uint8))
        cv2.imwrite(f'own/labels/{index}.png', labels)
    Path('classes.txt').write_text('\n'.join(CLASSES) + '\n')
    return tmp_path


def random_weights(config, path):
    torch.manual_seed(0)
    torch.save(dict(state_dict=MODELS.build(config.model).state_dict(), meta={}), path)
    return path


@pytest.fixture
def tiny(own):
    config = Config(dict(model=tiny_base(num_classes=4)))
    config.dump('tiny.py')
    return 'tiny.py', random_weights(config, 'tiny.pth')


FOLDERS = ('--images', 'own/images', '--labels', 'own/labels')


def test_a_zoo_model_is_fitted_tested_and_used(own, capsys):
    """From an empty folder with random weights to results, by commands alone."""
    config = load_config(ZOO)
    config.merge_from_dict({**CHANGES, 'model.pretrained': None})
    random_weights(config, 'base.pth')
    call('fit', [ZOO, 'base.pth', '--add', 'temperature', 'crc', 'fedc', *FOLDERS, '--classes', 'classes.txt', '--iterations', '3',
                 '--alpha', '0.4', '--workers', '0', '--cfg-options', *(f'{key}={value}' for key, value in CHANGES.items())])
    assert 'fitted.pth, with its config fitted.py' in capsys.readouterr().out
    fitted = torch.load('fitted.pth', weights_only=False)
    parts = fitted['meta']['calibration_plan']['parts']
    assert len(parts['calibrator']) == 3 and len(parts['set_head']) == 9 and not set(parts['calibrator']) & set(parts['set_head'])
    assert fitted['meta']['dataset_meta']['classes'] == CLASSES
    call('test', ['fitted.py', 'fitted.pth', *FOLDERS, '--allow-overlap', '--eval', 'IDM', 'ECE', 'coverage', '--out', 'r.json',
                  '--cfg-options', 'test_evaluator.0.resamples=2'])
    metrics = json.loads(Path('r.json').read_text())['metrics']
    assert {'fedc/IDM_AUROC[pooled]', 'msp/IDM_AUROC[pooled]'} <= set(metrics)
    call('infer', ['own/images/0.png', 'fitted.py', 'fitted.pth', '--out', 'mine'])
    assert Path('mine/figures/0.jpg').is_file()
    call('train', ['fitted.py', '--work-dir', 'again'])
    again = torch.load('again/calibrated.pth', weights_only=False)['state_dict']
    assert all(torch.equal(value, again[key]) for key, value in fitted['state_dict'].items())


def test_a_decision_sees_no_image_that_its_flow_learned_from(tiny, capsys):
    config, checkpoint = tiny
    out = fit(config, checkpoint, ['fedu', 'false_alarms'], 'own/images', 'own/labels', 'classes.txt', iterations=2, workers=0,
              alpha=0.4)
    meta = torch.load(out, weights_only=False)['meta']
    learned, plan = meta['fitted_on']['training'], meta['calibration_plan']
    decided = plan['parts']['decisions.false_alarms']
    assert learned['heads'] == ['fedu'] and len(learned['images']) == len(decided) == 6 and not plan['shared']
    assert not {Path(name).name for name in learned['images']} & {Path(name).name for name in decided}
    call('train', [str(out.with_suffix('.py')), '--load-from', str(out), '--work-dir', 'shared',
                   '--cfg-options', 'train_cfg.calibrator_share=shared'])
    plan = torch.load('shared/calibrated.pth', weights_only=False)['meta']['calibration_plan']
    assert plan['shared'] and len(plan['parts']['decisions.false_alarms']) == 12


def test_the_schedule_of_the_base_is_dropped(own):
    base = load_config(ZOO)
    flows, statistics = fit_configs(base, chosen_recipes(['crc', 'fedc', 'vim']),
                                    FitData(Path('own/images'), Path('own/labels'), {}, workers=0))
    assert base.train_cfg.max_iters == 80000 and flows.train_cfg.max_iters == 400
    assert flows.optim_wrapper.optimizer.type == 'AdamW' and statistics.train_cfg.type == 'CalibrationLoop'
    assert 'set_head' not in flows.model and 'fedc' in statistics.model.uncertainty_heads
    for config in (flows, statistics):
        assert not {'val_dataloader', 'test_dataloader', 'val_cfg', 'auto_scale_lr'} & set(config)


def test_evidence_is_fitted_before_the_flow_and_once(own):
    data = FitData(Path('own/images'), Path('own/labels'), {}, workers=0)
    first, flow, last = fit_configs(load_config(ZOO), chosen_recipes(['knn', 'fed_evidence', 'false_alarms']), data)
    assert first.train_cfg.type == last.train_cfg.type == 'CalibrationLoop' and flow.train_cfg.max_iters == 400
    assert {'knn', 'mahalanobis_pp'} <= set(first.model.uncertainty_heads) and 'fed_evidence' not in first.model.uncertainty_heads
    assert flow.model.uncertainty_heads.fed_evidence.evidence == ['knn', 'mahalanobis_pp']
    assert last.model.decisions.false_alarms.head == 'fed_evidence' and 'decisions' not in first.model
    # No image on which a decision is made may have fitted what it reads.
    assert first.train_dataloader.dataset.split == flow.train_dataloader.dataset.split
    assert 'split' not in last.train_dataloader.dataset
    assert len(fit_configs(load_config(ZOO), chosen_recipes(['fed_evidence']), data)) == 2


STATELESS = ('mc_dropout', 'gen', 'scale', 'energy')


WHOLE = ('fed', 'detectors', 'baselines')


def joint_recipes():
    """Names of recipes that are fitted at once: decisions together, and no part of a recipe beside the whole."""
    decisions = tuple(name for name, recipe in RECIPES.items() if recipe.part == 'decisions')
    parts = {name for name, recipe in RECIPES.items() for whole in WHOLE
             if name != whole and recipe.part == 'heads' and set(recipe.heads) <= set(RECIPES[whole].heads)}
    return [decisions, *((name, ) for name in RECIPES if name not in parts | set(decisions))]


def test_a_part_of_a_recipe_is_what_the_whole_holds():
    whole = {head: config for name in WHOLE for head, config in RECIPES[name].config().items()}
    for name in set(RECIPES) - {name for names in joint_recipes() for name in names}:
        assert all(whole[head] == config for head, config in RECIPES[name].config().items()), name


@pytest.mark.parametrize('names', joint_recipes(), ids=lambda names: names[0])
def test_every_recipe_is_fitted(tiny, names):
    config, checkpoint = tiny
    target = 'own/images' if names == ('weighted', ) else None
    slides = {'model.test_cfg': dict(mode='slide', crop_size=(64, 64), stride=(32, 32))}
    out = fit(config, checkpoint, list(names), 'own/images', 'own/labels', 'classes.txt', iterations=2, workers=0, target=target,
              options=slides if names == ('fed', ) else None)
    recipe = RECIPES[names[0]]
    state = torch.load(out, weights_only=False)['state_dict']
    part = 'uncertainty_heads' if recipe.part == 'heads' else recipe.part
    expected = [f'{part}.{head}.' for name in names for head in RECIPES[name].heads if head not in STATELESS] or [f'{part}.']
    assert all(any(key.startswith(prefix) for key in state) for prefix in expected)
    evaluators = ['mIoU', 'decisions'] if recipe.part == 'decisions' else ['mIoU']
    call('test', [str(out.with_suffix('.py')), str(out), *FOLDERS, '--allow-overlap', '--eval', *evaluators])


@pytest.mark.parametrize('names', [['fedc'], ['mahalanobis', 'temperature']], ids=['by gradient', 'by statistics'])
def test_a_fit_fixes_the_colour_scale_of_all_pictures(tiny, names):
    config, checkpoint = tiny
    out = fit(config, checkpoint, names, 'own/images', 'own/labels', 'classes.txt', iterations=2, workers=0)
    inferencer = UncertaintyInferencer(out.with_suffix('.py'), out, show_progress=False)
    paths = sorted(map(str, Path('own/images').iterdir()))
    samples = inferencer([paths[place] for place in (0, 1, 3, 4, 6, 7, 9, 10)], return_datasamples=True)['predictions']
    scores = np.concatenate([sample.uncertainty.get(names[0]).numpy().ravel() for sample in samples])
    assert inferencer.scales[names[0]].shown == pytest.approx(np.percentile(scores, (1, 99)), rel=1e-4)
    for run, inputs in (('alone', 'own/images/3.png'), ('together', 'own/images')):
        inferencer(inputs, out_dir=run, save=SaveOptions(['overlays', 'figures']))
    alone, together = (Path(run, f'overlays/{names[0]}/3.jpg').read_bytes() for run in ('alone', 'together'))
    assert alone == together
    content = torch.load(out, weights_only=False)
    del content['meta']['usual_ranges']
    torch.save(content, 'without.pth')
    assert UncertaintyInferencer(out.with_suffix('.py'), 'without.pth', show_progress=False).scales[names[0]].shown is None


def test_an_interrupted_fit_goes_on_and_ends_with_the_same_weights(tiny, monkeypatch):
    from mmseg_uncertainty.engine.hooks import IterationSeedHook
    from mmseg_uncertainty.runtime.command_line import Interrupted
    config, checkpoint = tiny
    options = dict(iterations=4, workers=0)
    unbroken = fit(config, checkpoint, ['fedu', 'crc'], 'own/images', 'own/labels', out='unbroken.pth', **options)
    before, calls = IterationSeedHook.before_train_iter, []

    def stop(self, runner, *arguments, **others):
        calls.append(runner.iter)
        if len(calls) == 3:
            runner.hooks[[type(hook).__name__ for hook in runner.hooks].index('SaveOnInterruptHook')].requested = True
        before(self, runner, *arguments, **others)

    monkeypatch.setattr(IterationSeedHook, 'before_train_iter', stop)
    with pytest.raises(Interrupted, match='iter_3.pth was saved. Run the same command again'):
        fit(config, checkpoint, ['fedu', 'crc'], 'own/images', 'own/labels', out='broken.pth', **options)
    broken = fit(config, checkpoint, ['fedu', 'crc'], 'own/images', 'own/labels', out='broken.pth', **options)
    assert calls[:4] == [0, 1, 2, 3]
    one, two = (torch.load(path, weights_only=False)['state_dict'] for path in (unbroken, broken))
    assert all(torch.equal(value, two[key]) for key, value in one.items())


@pytest.mark.parametrize('names, message', [
    (['temprature'], 'Did you mean temperature'), (['temperature', 'vector'], 'one of these calibrators'),
    (['crc', 'kandinsky'], 'one of these kinds of prediction sets'), (['fedc', 'outliers'], 'schedules of their own')])
def test_what_excludes_each_other_is_refused(names, message):
    with pytest.raises(ValueError, match=message):
        chosen_recipes(names)


def test_classes_of_another_number_are_refused(tiny):
    Path('classes.txt').write_text('road\nsky\n')
    with pytest.raises(ValueError, match='classes.txt names 2 classes .*the model has 4'):
        fit(*tiny, ['temperature'], 'own/images', 'own/labels', 'classes.txt')


def test_sets_that_follow_a_target_need_one_and_others_take_none(tiny):
    with pytest.raises(ValueError, match='Name their folder with --target DIR'):
        fit(*tiny, ['weighted'], 'own/images', 'own/labels', 'classes.txt')
    with pytest.raises(ValueError, match='--target own/images: nothing that is added reads target images'):
        fit(*tiny, ['crc'], 'own/images', 'own/labels', 'classes.txt', target='own/images')
    config, checkpoint = tiny
    call('fit', [config, checkpoint, '--add', 'weighted', *FOLDERS, '--classes', 'classes.txt', '--target', 'own/images', '--alpha',
                 '0.4', '--workers', '0', '--out', 'followed.pth'])
    kept = torch.load('followed.pth', weights_only=False)['state_dict']
    assert len(kept['set_head.kept.target']) == 12 and 1 <= kept['set_head.effective'] <= 9
    call('infer', ['own/images/0.png', 'followed.py', 'followed.pth', '--out', 'mine'])
    assert Path('mine/figures/0.jpg').is_file()
