"""A report is one file that shows everything and refers to nothing."""
import json
import re

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmseg.registry import MODELS

from mmseg_uncertainty.apis.html_report import decisions_section
from mmseg_uncertainty.apis.report_tables import comparison, metrics_tables, summary
from tests.tiny import tiny_posthoc

MODEL = tiny_posthoc(dict(msp=dict(type='MSPHead'), energy=dict(type='EnergyHead')), classes=8)


@pytest.fixture
def config(tmp_path):
    def dump(length=7, **dataset):
        loader = dict(
            batch_size=2, num_workers=0, sampler=dict(type='DefaultSampler', shuffle=False, round_up=False),
            dataset=dict(type='ToyRoadsDataset', split='test', length=length, size=(64, 96), test_mode=True,
                         pipeline=[dict(type='RenderToyRoads'), dict(type='PackSegInputs')], **dataset))
        Config(dict(default_scope='mmseg', model=MODEL, test_dataloader=loader)).dump(tmp_path / 'tiny.py')
        torch.manual_seed(0)
        torch.save(dict(state_dict=MODELS.build(Config(MODEL)).state_dict(), meta={}), tmp_path / 'tiny.pth')
        return tmp_path / 'tiny.py', tmp_path / 'tiny.pth'

    return dump


def report_of(run_tool, tmp_path, files, *arguments):
    run_tool('test', *files, '--work-dir', tmp_path / 'work', '--report', tmp_path / 'report', *arguments)
    return (tmp_path / 'report/report.html').read_text(encoding='utf-8')


def test_mistakes(run_tool, config, tmp_path):
    page = report_of(run_tool, tmp_path, config(), '--eval', 'IDM', 'mIoU', 'ECE')
    results = json.loads((tmp_path / 'report/results.json').read_text())
    assert f'{results["metrics"]["energy/IDM_AP[pooled]"]:.4g}' in page and results['checkpoint_sha256'] in page
    assert page.count('<img src="data:image/webp;base64,') == 3 + 6
    assert not re.search(r'(src|href)="(?!data:)', page) and 'url(' not in page
    for part in ('Worst images', 'Best images', 'of the pixels right', 'ToyRoadsDataset', 'The whole config', 'IDM risk coverage'):
        assert part in page
    shares = [float(share) for share in re.findall(r'([\d.]+) % of the pixels right</figcaption>', page)]
    assert shares[:3] == sorted(shares[:3]) and max(shares[:3]) <= min(shares[3:])


def test_unknown_objects(run_tool, config, tmp_path):
    page = report_of(run_tool, tmp_path, config(length=2, anomalies=True), '--eval', 'mFishy')
    assert 'AUROC of energy' in page and 'Best images' in page


def test_decisions_stand_beside_their_promises():
    metrics = {'flagged/false_alarms[per_image]': .0412, 'flagged/false_alarms_low[per_image]': .03,
               'flagged/false_alarms_high[per_image]': .05, 'flagged/false_alarms_promised[per_image]': .05,
               'strict/precision[per_image]': .7, 'strict/precision_promised[per_image]': .6,
               'few/misses[per_image]': .1, 'few/misses_promised[per_image]': np.nan}
    evaluators = [dict(promises=dict(flagged='at most 5 %', strict='at most 40 %', few='at most 1 %')), {}]
    section = decisions_section(dict(metrics=metrics, evaluators=evaluators))
    assert '<b>flagged</b>: at most 5 %. Here: 4.12 % (3.00 … 5.00), at most 5 % promised.' in section
    assert 'Here: 70.00 %, at least 60 % promised.' in section and 'too few for this promise' in section
    assert decisions_section(dict(metrics=metrics, evaluators=[{}])) == ''


def test_intervals_stand_below_their_numbers():
    metrics = {'a/AP[pooled]': 50., 'a/AP_low[pooled]': 40., 'a/AP_high[pooled]': 60., 'a/AP_bound[pooled]': .1,
               'b/AP[pooled]': np.nan, 'mIoU': 70.}
    tables = metrics_tables(metrics)
    assert '<td><b>50.00</b><small>40.00 … 60.00</small></td>' in tables and 'AP_low' not in tables and 'AP_bound' not in tables
    assert '<td>model</td><td>70.00</td>' in tables


def test_classes_may_have_a_slash_in_their_name():
    page = metrics_tables({'msp/AP[pooled]': 1., 'IoU.wall/fence[pooled]': 2.})
    assert '<td>IoU.wall/fence[pooled] ↑</td><td>2.000</td>' in page and re.findall('<tr><td>([^<]*)</td>', page) == ['msp', 'model']


METRICS = {'msp/IDM_AUROC[pooled]': 90., 'msp/IDM_AUROC_low[pooled]': 88., 'msp/IDM_AUROC_high[pooled]': 92.,
           'energy/IDM_AUROC[pooled]': 80., 'msp/IDM_FPR95[pooled]': 30., 'energy/IDM_FPR95[pooled]': 20.,
           'msp/IDM_coverage@risk0.01[pooled]': 60., 'mIoU[pooled]': 67.5, 'IoU.road[pooled]': 95., 'IoU.pole[pooled]': 40.,
           'ECE[pooled]': .2, 'msp/recall.100-999[pooled]': 12.}


def test_the_summary_tells_the_best_and_what_is_wrong():
    text = summary(METRICS)
    assert '<b>MSP</b> is best by AUROC, 90.00 (88.00 … 92.00) %' in text and 'Worst is Energy (80.00 %)' in text
    assert 'the weakest is pole (40.00 %)' in text and 'fit a calibrator' in text and summary({}) == ''


def test_tables_mark_the_best_and_fold_the_rest():
    page = metrics_tables(METRICS, [('town', 3, .9), ('field', 2, .8)])
    assert 'AUROC ↑' in page and 'FPR95 ↓' in page and re.findall('<b>([0-9.]*)</b>', page) == ['90.00', '20.00']
    folded = re.findall('<summary>(.*?)</summary>', page)
    assert folded == ['By class', 'By size or distance of the object', 'All other numbers', 'By scene']
    assert page.index('field') < page.index('town') and page.index('<details>') < page.index('coverage@risk0.01')


def test_two_runs_stand_side_by_side():
    other = {**METRICS, 'msp/IDM_AUROC[pooled]': 91., 'energy/IDM_FPR95[pooled]': 25.}
    page = comparison(METRICS, other, ('new', 'old'))
    assert re.search(r'msp AUROC\s↑</td>.*?<td>−1.00\s▼≈</td>', page)
    assert re.search(r'energy FPR95\s↓</td>.*?<td>−5.00\s▲</td>', page)
    same = comparison(METRICS, {**METRICS, 'msp/IDM_AUROC[pooled]': METRICS['msp/IDM_AUROC[pooled]'] + 1e-4}, ('new', 'old'))
    assert re.search(r'msp AUROC\s↑</td>.*?<td>0</td>', same)
    assert 'no number in common' in comparison(METRICS, {'a/AP[per_image]': 1.}, ('new', 'old'))
    assert 'IoU.road' not in page
