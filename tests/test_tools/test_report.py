"""A report is one file that shows everything and refers to nothing."""
import json
import re

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmseg.registry import MODELS

from mmseg_uncertainty.apis.html_report import decisions_section, metrics_tables
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
    assert '50<small>40 … 60</small>' in tables and 'AP_low' not in tables and 'AP_bound' not in tables
    assert '<td>model</td><td>70</td>' in tables


def test_classes_may_have_a_slash_in_their_name():
    page = metrics_tables({'msp/AP[pooled]': 1., 'IoU.wall/fence[pooled]': 2.})
    assert '<th>IoU.wall/fence[pooled]</th>' in page and re.findall('<tr><td>([^<]*)</td>', page) == ['msp', 'model']
