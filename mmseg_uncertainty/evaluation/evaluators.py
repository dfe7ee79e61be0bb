"""The names ``tools/test.py --eval`` accepts."""
from __future__ import annotations

EVALUATORS: dict[str, dict] = {
    'mIoU': dict(type='IoUMetric', iou_metrics=['mIoU']),
    'mFscore': dict(type='IoUMetric', iou_metrics=['mFscore']),
    'mFishy': dict(type='AnomalyRankingMetric'),
    'IDM': dict(type='MisclassificationMetric'),
}


def evaluator_config(name: str, **options) -> dict:
    """Config of the metric behind one ``--eval`` name, whatever its case.

    Args:
        name: A key of :data:`EVALUATORS`.
        options: Options of the metric that replace its defaults.

    Raises:
        ValueError: If the name is unknown.
    """
    names = {known.lower(): known for known in EVALUATORS}
    if name.lower() not in names:
        raise ValueError(f'--eval {name}: unknown evaluator; choose from {", ".join(EVALUATORS)}.')
    return EVALUATORS[names[name.lower()]] | options
