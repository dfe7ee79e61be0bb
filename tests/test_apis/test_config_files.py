"""Configs are found from any folder, by path or by the package that ships them."""
import logging

import pytest
from mmengine.config import Config
from mmseg.registry import MODELS

from mmseg_uncertainty.apis.config_files import find_config, load_config
from mmseg_uncertainty.apis.default_heads import use_heads
from mmseg_uncertainty.apis.zoo_schedules import check_schedule
from tests.test_tools.conftest import run_tool  # noqa: F401
from tests.tiny import tiny_base, tiny_posthoc


def test_heads_are_inherited_from_any_folder(tmp_path, monkeypatch):
    told = []
    monkeypatch.setattr('mmengine.logging.print_log', lambda message, *_, level=0, **__: told.append((level, message)))
    config = tmp_path / 'own.py'
    config.write_text("_base_ = ['mmseg::_base_/models/segformer_mit-b0.py', 'mmseg_uncertainty::_base_/posthoc/scores.py']\n"
                      "model = dict(type='PosthocSegmentor', uncertainty_heads=_base_.heads)\n")
    model = MODELS.build(Config.fromfile(config).model)
    assert list(model.uncertainty_heads) == ['msp', 'max_logit', 'energy', 'entropy', 'margin']
    assert not [message for level, message in told if level >= logging.WARNING]


def test_a_whole_shipped_config_is_inherited(tmp_path):
    config = tmp_path / 'own.py'
    config.write_text("_base_ = 'mmseg_uncertainty::segformer/segformer_b0_camvid_FEDC.py'\n"
                      "model = dict(decode_head=dict(num_classes=3))\n")
    assert MODELS.build(Config.fromfile(config).model).num_classes == 3


@pytest.mark.parametrize('name', ['mmseg::pspnet/pspnet_r18-d8_4xb4-80k_loveda-512x512', 'mmseg_uncertainty::_base_/posthoc/crc.py'])
def test_packaged_configs_have_names(name):
    assert find_config(name).is_file() and load_config(name)


def test_plain_models_get_scores_and_heads_can_be_chosen():
    config = Config(dict(model=tiny_base()))
    use_heads(config)
    assert list(config.model.uncertainty_heads) == ['msp', 'energy', 'entropy', 'margin']
    use_heads(config, ['max_logit', 'msp'])
    assert list(config.model.uncertainty_heads) == ['max_logit', 'msp']
    own = Config(dict(model=tiny_posthoc(dict(fedu=dict(type='FlowEneDetHead')))))
    use_heads(own)
    assert list(own.model.uncertainty_heads) == ['fedu']
    use_heads(own, ['fedu', 'energy'])
    assert own.model.uncertainty_heads.fedu.type == 'FlowEneDetHead' and own.model.uncertainty_heads.energy.type == 'EnergyHead'
    with pytest.raises(ValueError, match='--heads enrgy: unknown. Did you mean energy'):
        use_heads(own, ['enrgy'])


ZOO = 'mmseg::pspnet/pspnet_r18-d8_4xb4-80k_loveda-512x512.py'
HEADS = "model = dict(type='PosthocSegmentor', uncertainty_heads=_base_.heads)\n"


def test_heads_are_not_fitted_by_the_schedule_of_the_zoo(run_tool, tmp_path):
    """The config would load, and train for 80,000 iterations."""
    (tmp_path / 'own.py').write_text(f"_base_ = ['{ZOO}', 'mmseg_uncertainty::_base_/posthoc/fedc.py']\n{HEADS}")
    (tmp_path / 'below.py').write_text("_base_ = './own.py'\n")
    for name in ('own.py', 'below.py'):
        with pytest.raises(ValueError, match='80000 iterations, SGD at 0.01.*mmseg-uncertainty fit mmseg::pspnet'):
            run_tool('train', name, '--load-from', 'base.pth')


def test_a_schedule_of_its_own_passes(tmp_path):
    (tmp_path / 'own.py').write_text(
        f"_base_ = ['{ZOO}', 'mmseg_uncertainty::_base_/posthoc/fedc.py']\n{HEADS}"
        "train_cfg = dict(_delete_=True, type='IterBasedTrainLoop', max_iters=400)\n")
    check_schedule(load_config(tmp_path / 'own.py'))
    check_schedule(load_config(ZOO))
