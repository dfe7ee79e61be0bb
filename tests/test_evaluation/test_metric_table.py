"""The printed table shows a bound as soon as it matters."""
from mmseg_uncertainty.evaluation.metrics.metric_table import metric_table


def cells(values):
    lines = [line for line in metric_table(values).splitlines() if line.startswith('|')]
    titles, *rows = ([cell.strip() for cell in line.strip('|').split('|')] for line in lines)
    return {row[0]: dict(zip(titles[1:], row[1:])) for row in rows}


def test_large_bounds_stand_behind_their_number():
    rows = cells({'msp/AP[pooled]': 38.41, 'msp/AP_bound[pooled]': 8.06, 'flow/AP[pooled]': 41.2,
                  'flow/AP_bound[pooled]': .003, 'msp/AP_low[pooled]': 30., 'msp/AP_high[pooled]': 50.,
                  'msp/AP_low_bound[pooled]': 1.})
    assert rows == dict(msp={'AP[pooled]': '38.41 ± 8.1'}, flow={'AP[pooled]': '41.2'})


def test_a_bound_around_zero_is_shown_and_an_undefined_one_is_not():
    assert cells({'F1[pooled]': 0., 'F1_bound[pooled]': .5})['-'] == {'F1[pooled]': '0 ± 0.5'}
    assert cells({'F1[pooled]': float('nan'), 'F1_bound[pooled]': float('nan')})['-'] == {'F1[pooled]': 'nan'}


def test_names_that_end_like_an_interval_keep_their_column():
    assert cells({'IoU.person_low[pooled]': 3., 'IoU.person_low_low[pooled]': 2.})['-'] == {'IoU.person_low[pooled]': '3'}


def test_classes_may_have_a_slash_in_their_name():
    rows = cells({'mIoU[pooled]': 1., 'IoU.wall/fence[pooled]': 2., 'set/miss.wall/fence[pooled]': 3.})
    assert {name: {key: cell for key, cell in row.items() if cell} for name, row in rows.items()} == {
        '-': {'mIoU[pooled]': '1', 'IoU.wall/fence[pooled]': '2'}, 'set': {'miss.wall/fence[pooled]': '3'}}
