"""Calibrators from the command line: what a fit costs, and what it does to a real model."""
import pytest
import torch
from mmengine.config import Config
from mmseg.registry import DATASETS, MODELS
from scipy.optimize import brentq

from mmseg_uncertainty.functional.calibration_error import expected_calibration_error, reliability_sums
from mmseg_uncertainty.models.bases import MMSegBase
from tests.test_tools.conftest import TOOLS
from tests.test_tools.test_train_and_test import TEST_LOADER
from tests.tiny import TINY_TOY_ROADS, tiny_base, tiny_posthoc

IMAGES = 6


@pytest.mark.parametrize('kind, cached, passes', [
    ('LocalTemperatureScaling', False, 1),
    ('VectorScaling', False, 1),
    ('TemperatureScaling', False, 2),
    ('TemperatureScaling', True, 1),
])
def test_forward_passes_of_a_fit(run_tool, tmp_path, monkeypatch, kind, cached, passes):
    """Ten epochs of the local network and every step of the search read what one or two passes left."""
    calibration = {**TEST_LOADER, 'dataset': {**TEST_LOADER['dataset'], 'split': 'val', 'length': IMAGES}}
    model = tiny_posthoc({}, classes=8, calibrator=dict(type=kind))
    Config(dict(**{**TINY_TOY_ROADS, 'train_cfg': dict(type='CalibrationLoop'), 'train_dataloader': calibration},
                model=model)).dump(tmp_path / 'config.py')
    torch.manual_seed(0)
    torch.save(dict(state_dict=MODELS.build(Config(tiny_base(num_classes=8))).state_dict()), tmp_path / 'base.pth')
    seen, run = [], MMSegBase.scores

    def count(self, inputs, metas):
        seen.append(len(inputs))
        return run(self, inputs, metas)

    monkeypatch.setattr(MMSegBase, 'scores', count)
    run_tool('train', tmp_path / 'config.py', '--load-from', tmp_path / 'base.pth', '--work-dir', tmp_path / 'run',
             *(['--cache', tmp_path / 'cache'] if cached else []))
    assert sum(seen) == passes * IMAGES


def test_calibrators_of_a_real_model(data_root, monkeypatch):
    """Predictions stay; calibration errors on other frames fall; the streamed fit is that of all pixels in float64."""
    monkeypatch.setenv('DATA_ROOT', str(data_root.resolve()))
    torch.set_flush_denormal(True)  # as commands do: half of the weights of this model are subnormal
    config = Config.fromfile(TOOLS.parent / 'local_configs/cgnet/cgnet_camvid_TS.py')
    state = torch.load(data_root / 'weights/cgnet_camvid11_mmseg.pth', weights_only=True)
    parts = [frames(config.train_dataloader.dataset, every=6), frames(config.test_dataloader.dataset, every=24)]
    for kind, options in dict(TemperatureScaling={}, ClusteredTemperatureScaling=dict(num_clusters=2),
                              VectorScaling={}, LocalTemperatureScaling=dict(epochs=5)).items():
        config.model.calibrator = dict(type=kind, **options)
        model = MODELS.build(config.model).eval()
        model.load_state_dict(state.get('state_dict', state), strict=False)
        if kind == 'TemperatureScaling':
            fitted_on, held_out = ([model.frozen_outputs(image, [sample]) for image, sample in loaded(model, part)]
                                   for part in parts)
        calibrator = model.calibrator
        for stage in range(calibrator.stages):
            calibrator.start_stage(stage)
            for outputs, (_, sample) in zip(fitted_on, parts[0]):
                calibrator.update(outputs, sample.gt_sem_seg.data.long(), [sample.metainfo])
            calibrator.finish_stage(stage)
        errors = {}
        for name in ('before', 'after'):
            logits = [outputs.logits if name == 'before' else calibrator(outputs, [sample.metainfo])
                      for outputs, (_, sample) in zip(held_out, parts[1])]
            errors[name] = error(logits, [sample.gt_sem_seg.data for _, sample in parts[1]])
        assert all(torch.equal(given.argmax(1), outputs.logits.argmax(1)) for given, outputs in zip(logits, held_out))
        assert errors['after'] < 0.8 * errors['before'], (kind, errors)
        if kind == 'TemperatureScaling':
            assert float(calibrator.temperature) == pytest.approx(exact(fitted_on, parts[0]), rel=1e-6)


def frames(config, every):
    dataset = DATASETS.build(dict(config, test_mode=True, _scope_='mmseg'))
    samples = [dataset[index] for index in range(0, len(dataset), every)]
    return [(sample['inputs'], sample['data_samples']) for sample in samples]


def loaded(model, part):
    for image, sample in part:
        data = model.data_preprocessor(dict(inputs=[image], data_samples=[sample]), False)
        yield data['inputs'], data['data_samples'][0]


def error(logits, labels):
    probabilities = torch.cat([maps[0].flatten(1) for maps in logits], dim=1).softmax(0)
    truth = torch.cat([maps.flatten() for maps in labels])
    confidence, predictions = (values[truth != 255] for values in probabilities.max(0))
    return float(expected_calibration_error(reliability_sums(confidence.numpy(), (predictions == truth[truth != 255]).numpy())))


def exact(outputs, part):
    """Temperature of the largest likelihood, the root of its slope, all pixels in float64."""
    logits = torch.cat([given.logits[0].flatten(1) for given in outputs], dim=1).double()
    truth = torch.cat([sample.gt_sem_seg.data.flatten() for _, sample in part]).long()
    logits, truth = logits[:, truth != 255], truth[truth != 255]
    own = logits.gather(0, truth[None])[0].sum()
    return 1 / brentq(lambda scale: float(((logits * scale).softmax(0) * logits).sum() - own), 0.1, 10., rtol=1e-9)
