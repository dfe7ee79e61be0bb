"""The names ``tools/test.py --eval`` accepts."""
from __future__ import annotations

EVALUATORS: dict[str, dict] = {
    'mIoU': dict(type='ClassIoUMetric', quantity='mIoU'),
    'mFscore': dict(type='ClassIoUMetric', quantity='mFscore'),
    'macroF1': dict(type='MacroF1Metric'),
    'mFishy': dict(type='AnomalyRankingMetric'),
    'oIoU': dict(type='OpenSetMetric'),
    'IDM': dict(type='MisclassificationMetric'),
    'ECE': dict(type='CalibrationMetric'),
    'OOD-image': dict(type='ImageOODMetric'),
    'OOD-local': dict(type='LocalOODMetric'),
    'components': dict(type='ComponentMetric'),
    'coverage': dict(type='CoverageMetric'),
    'bravo': dict(type='BravoMetric'),
    'decisions': dict(type='DecisionMetric'),
}
PUBLISHED = {'oIoU': dict(type='PublishedOpenSetMetric')}


def evaluator_config(name: str, **options) -> dict:
    """Config of the metric behind one ``--eval`` name, whatever its case.

    Args:
        name: A key of :data:`EVALUATORS`.
        options: Options of the metric that replace its defaults, such as ``protocol='published'``.

    Raises:
        ValueError: If the name is unknown.
    """
    names = {known.lower(): known for known in EVALUATORS}
    if name.lower() not in names:
        raise ValueError(f'--eval {name}: unknown evaluator; choose from {", ".join(EVALUATORS)}.')
    name = names[name.lower()]
    published = options.get('protocol') == 'published' and name in PUBLISHED
    return (PUBLISHED if published else EVALUATORS)[name] | options
