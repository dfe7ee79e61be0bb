"""Tables of one run and of several."""
from mmseg_uncertainty.apis import results_table


def test_the_best_of_each_number_is_bold_and_what_is_missing_stays_empty():
    cells = dict(here={'a/AP[pooled]': 50.04, 'a/FPR95[pooled]': 20., 'b/AP[pooled]': 40., 'b/FPR95[pooled]': 10.})
    rows = results_table(cells, ['a', 'b', 'c'], ['AP', 'FPR95']).splitlines()
    assert rows[0] == '| head | here: AP / FPR95 |'
    assert rows[2:] == ['| a | **50.0** / 20.0 |', '| b | 40.0 / **10.0** |', '| c |  |']


def test_several_runs_give_mean_and_standard_deviation_where_they_differ():
    runs = [{'a/IDM_AP[pooled]': value, 'b/IDM_AP[pooled]': 30.} for value in (10., 20., 30.)]
    rows = results_table(dict(here=[*runs, {'c/IDM_AP[pooled]': 50.}]), ['a', 'b', 'c'], ['AP']).splitlines()
    assert rows[2:] == ['| a | 20.0 ± 10.0 |', '| b | 30.0 |', '| c | **50.0** |']
