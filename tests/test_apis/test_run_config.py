import pytest
from mmengine.config import Config

from mmseg_uncertainty.apis.run_config import keep_region, reject_what_is_flagged


def config_of(*steps, **others):
    return Config(dict(test_dataloader=dict(dataset=dict(pipeline=[dict(type=step) for step in steps])), **others))


def test_the_region_is_kept_right_after_the_labels_are_loaded(tmp_path):
    config = config_of('LoadImageFromFile', 'Resize', 'LoadLabels', 'PackSegInputs')
    keep_region(config, tmp_path)
    assert [step.type for step in config.test_dataloader.dataset.pipeline] == [
        'LoadImageFromFile', 'Resize', 'LoadLabels', 'KeepRegion', 'PackSegInputs']
    with pytest.raises(ValueError, match='--roi: the test pipeline loads no labels'):
        keep_region(config_of('LoadImageFromFile', 'PackSegInputs'), tmp_path)
    with pytest.raises(ValueError, match='--roi .*/nothing does not exist'):
        keep_region(config, tmp_path / 'nothing')


@pytest.mark.parametrize('model, measured, added', [
    (dict(decisions=dict(flagged={})), [dict(type='OpenSetMetric', void='unknown')], 1), (dict(), [dict(type='OpenSetMetric')], 0),
    (dict(decisions=dict(flagged={}), tta=dict(flip=True)), [dict(type='OpenSetMetric')], 0),
    (dict(decisions=dict(flagged={})), [dict(type='OpenSetMetric', threshold=0.5)], 0),
    (dict(decisions=dict(flagged={})), [dict(type='CoverageMetric')], 0),
    (dict(decisions=dict(flagged={})), dict(type='OpenSetMetric'), 1), (dict(), dict(type='IoUMetric'), 0)])
def test_open_set_metrics_reject_what_decisions_flag(model, measured, added):
    config = Config(dict(model=dict(type='PosthocSegmentor', **model), test_evaluator=measured))
    reject_what_is_flagged(config)
    given = measured if isinstance(measured, list) else [measured]
    assert config.test_evaluator == ([*given, dict(given[0], threshold='decisions')] if added else measured)
