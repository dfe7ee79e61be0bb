"""A protocol by name sets all that it says, and its page says the same."""
from pathlib import Path

import pytest
from mmengine.config import Config

import mmseg_uncertainty.registered  # noqa: F401
from mmseg_uncertainty.apis.use_protocol import check_protocol, chosen_evaluators, label_kind, use_protocol
from mmseg_uncertainty.cli.test import dataset_config
from mmseg_uncertainty.evaluation import EVALUATORS
from mmseg_uncertainty.runtime.benchmark_protocols import ANY, PROTOCOLS, protocol_row
from mmseg_uncertainty.runtime.shipped_files import dataset_configs
from tests.tiny import tiny_posthoc

PAGE = (Path(__file__).resolve().parents[2] / 'docs/protocols.md').read_text(encoding='utf-8')


def config_on(dataset):
    loader = dataset_config(dataset).test_dataloader
    return Config(dict(model=tiny_posthoc(dict(msp=dict(type='MSPHead'))), test_dataloader=loader))


def steps(config):
    return [dict(step) for step in config.test_dataloader.dataset.pipeline]


@pytest.mark.parametrize('name', PROTOCOLS)
def test_the_page_has_the_row_of_every_protocol(name):
    assert protocol_row(name) in PAGE.splitlines()


def test_the_brief_of_every_protocol_is_whole():
    for name, protocol in PROTOCOLS.items():
        assert all(cell.strip() for cell in protocol_row(name).strip('|').split('|')), name
        assert set(protocol.evaluators) <= {'anomaly', 'classes'}
        assert set(protocol.scales) - {ANY} <= set(dataset_configs())


@pytest.mark.parametrize('name, kind', [(name, kind) for name, protocol in PROTOCOLS.items() for kind in protocol.evaluators])
def test_evaluators_of_every_protocol_are_built(name, kind):
    from mmseg.registry import METRICS

    from mmseg_uncertainty.evaluation import evaluator_config
    for evaluator, options in chosen_evaluators(name, kind, ()).items():
        assert METRICS.build(evaluator_config(evaluator, **options))


@pytest.mark.parametrize('dataset, kind', [
    ('smiyc_anomaly', 'anomaly'), ('street_hazards', 'anomaly'), ('lost_and_found', 'anomaly'), ('bravo_smiyc', 'anomaly'),
    ('bravo_synobjs', 'classes'), ('bravo_acdc_fog', 'classes'), ('cityscapes', 'classes'), ('camvid', 'classes'),
    ('toy_roads_anomaly', 'anomaly'), ('toy_roads', 'classes'), ('anomaly_folder', 'anomaly')])
def test_kinds_of_labels_are_known_before_anything_is_read(dataset, kind):
    assert label_kind(dataset_config(dataset).test_dataloader.dataset) == kind


def test_a_track_measures_pixels_and_components_by_its_sizes():
    config = config_on('smiyc_obstacle')
    told = use_protocol(config, 'smiyc-obstacle', dataset='smiyc_obstacle')
    assert [metric.type for metric in config.test_evaluator] == ['AnomalyRankingMetric', 'ComponentMetric']
    assert config.test_evaluator[1].protocol == 'obstacle' and not config.model.get('tta')
    assert told[0].startswith('Protocol smiyc-obstacle: SegmentMeIfYouCan') and any('below 50 pixels' in line for line in told)


@pytest.mark.parametrize('dataset, scale', [
    ('fs_static', (2048, 1024)), ('smiyc_anomaly', (1280, 720)), ('smiyc_obstacle', (1920, 1080))])
def test_the_paper_of_flowenedet_has_three_views_and_a_scale(dataset, scale):
    config = config_on(dataset)
    use_protocol(config, 'flowenedet-paper', dataset=dataset)
    assert config.model.tta == dict(scales=[1.0, 0.5, 0.25], flip=False)
    assert steps(config)[1] == dict(type='Resize', scale=scale, keep_ratio=False)
    assert [metric.protocol for metric in config.test_evaluator] == ['published']


def test_the_reliability_study_keeps_the_ratio():
    config = config_on('acdc_fog')
    use_protocol(config, 'relis-paper', dataset='acdc_fog')
    resize = [step for step in steps(config) if step['type'] == 'Resize']
    assert resize == [dict(type='Resize', scale=(2048, 1024), keep_ratio=True)]


def test_rendered_streets_keep_their_size():
    config = config_on('toy_roads')
    use_protocol(config, 'relis-paper')
    assert not [step for step in steps(config) if step['type'] == 'Resize']


def test_a_part_of_a_protocol_keeps_its_options():
    config = config_on('smiyc_anomaly')
    use_protocol(config, 'smiyc-anomaly', ['Components'])
    assert [dict(metric) for metric in config.test_evaluator] == [dict(type='ComponentMetric', protocol='anomaly')]
    with pytest.raises(ValueError, match='--protocol smiyc-anomaly says nothing of --eval IDM; it measures mFishy, components'):
        use_protocol(config, 'smiyc-anomaly', ['IDM'])


def test_labels_of_another_kind_and_other_views_are_refused():
    with pytest.raises(ValueError, match='fishyscapes measures labels of the kind anomaly, and CamVidDataset has classes'):
        use_protocol(config_on('camvid'), 'fishyscapes')
    with pytest.raises(ValueError, match='sets test-time views.*Leave.*out --tta'):
        use_protocol(config_on('fs_static'), 'flowenedet-paper', tta=dict(scales=[1.0], flip=True))


@pytest.mark.parametrize('name, near', [('smiyc-anomly', 'smiyc-anomaly'), ('bravoo', 'bravo'), ('poled', 'pooled')])
def test_unknown_protocols_have_a_nearest_name(name, near):
    with pytest.raises(ValueError, match=f'--protocol {name}: unknown. Did you mean {near}'):
        check_protocol(name)


def test_protocols_of_evaluators_are_still_known():
    for name in ('pooled', 'per_image', 'published', 'anomaly', 'obstacle', *PROTOCOLS):
        check_protocol(name)
    assert 'mFishy' in EVALUATORS


def test_options_of_the_command_name_the_nearest_protocol(capsys):
    from mmseg_uncertainty.cli.commands import parse
    with pytest.raises(SystemExit):
        parse('test', ['x.py', 'x.pth', '--protocol', 'fishyscape'])
    assert 'Did you mean fishyscapes' in capsys.readouterr().err
    assert parse('test', ['x.py', 'x.pth', '--protocol', 'fishyscapes', '--plot-dir', 'p']).protocol == 'fishyscapes'
