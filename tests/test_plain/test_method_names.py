"""Short names stand for what the configs of this project hold."""
from pathlib import Path
from types import SimpleNamespace

import pytest
from mmengine.config import Config

from mmseg_uncertainty.plain.method_names import CALIBRATORS, HEADS, calibrator_config, head_configs, set_config

POSTHOC = Path(__file__).resolve().parents[2] / 'local_configs/_base_/posthoc'


def heads_of(*files):
    return {name: head for file in files for name, head in Config.fromfile(POSTHOC / f'{file}.py').heads.to_dict().items()}


def test_names_stand_for_the_heads_of_the_configs():
    configs = heads_of('scores', 'fed', 'baselines', 'detectors', 'nearest_neighbors', 'combined', 'masks')
    renamed = dict(standardized_max_logit='sml', mc_dropout='mcd')
    assert {renamed.get(name, name): head for name, head in configs.items()}.items() <= HEADS.items()


@pytest.mark.parametrize('name, file', [('temperature', 'temperature'), ('clustered', 'clustered_temperature'),
                                        ('vector', 'vector_scaling'), ('matrix', 'matrix_scaling'),
                                        ('ensemble_temperature', 'ensemble_temperature'), ('spline', 'spline'),
                                        ('order_preserving', 'order_preserving'), ('selective', 'selective_scaling'),
                                        ('local', 'local_temperature')])
def test_names_stand_for_the_calibrators_of_the_configs(name, file):
    own = Config.fromfile(POSTHOC / f'{file}.py').calibrator.to_dict()
    assert CALIBRATORS[name] | dict(objective='nll') == own | dict(objective='nll')


def test_sets_are_those_of_the_configs():
    assert set_config(dict(alpha=0.05), 11) | dict(risks=[dict(loss='miscoverage', alpha=0.05)]) == dict(
        num_classes=11, **Config.fromfile(POSTHOC / 'crc.py').set_head.to_dict())
    own = Config.fromfile(POSTHOC / 'kandinsky.py').set_head.to_dict()
    assert set_config(dict(alpha=0.1, method='kandinsky', grouping='kmeans', num_groups=4), 11) == dict(own, num_classes=11)


def test_options_of_the_loss_and_of_the_head_find_their_place():
    config = set_config(dict(alpha=0.1, method='rcps', loss='binary', coverage=0.9, delta=0.2), 5)
    assert config['risks'] == [dict(alpha=0.1, loss='binary', coverage=0.9)]
    assert config['control'] == 'rcps' and config['delta'] == 0.2


def test_options_change_the_head_of_their_name():
    assert head_configs(dict(fedu=dict(scale_factor=2)))['fedu'] == HEADS['fedu'] | dict(scale_factor=2)
    assert head_configs(dict(mine='msp', other=dict(type='EnergyHead', temperature=2.))) == dict(
        mine=dict(type='MSPHead'), other=dict(type='EnergyHead', temperature=2.))


@pytest.mark.parametrize('channels, pooled', [(256, 32), (16, 16), (100, 25), (720, 30), (7, 7)])
def test_features_are_pooled_to_a_width_that_divides_them(channels, pooled):
    base = SimpleNamespace(feature_channels=channels)
    assert head_configs(['fedc'], base)['fedc']['condition_channels'] == pooled


def test_the_table_itself_is_never_changed():
    before = str(HEADS), str(CALIBRATORS)
    head_configs(['fedc', 'msp'], SimpleNamespace(feature_channels=9))['msp']['type'] = 'other'
    calibrator_config('temperature')['type'] = 'other'
    assert (str(HEADS), str(CALIBRATORS)) == before


@pytest.mark.parametrize('call, message', [
    (lambda: head_configs(['mahalonobis']), "head 'mahalonobis' is unknown. Did you mean 'mahalanobis'.*Choose from msp"),
    (lambda: head_configs(['xyz']), "'xyz' is unknown. Choose from"),
    (lambda: calibrator_config('temprature'), "Did you mean 'temperature'"),
    (lambda: set_config(dict(alpha=0.1, method='kandinski'), 3), "Did you mean 'kandinsky'"),
    (lambda: set_config(dict(method='crc'), 3), 'has no alpha'),
])
def test_what_is_unknown_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
