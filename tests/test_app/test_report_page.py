"""A report can be read on a phone."""
import pytest

from mmseg_uncertainty.apis.html_report import page_of
from mmseg_uncertainty.apis.report_tables import comparison, metrics_tables, summary

METRICS = {'mIoU[pooled]': 67.5, 'mIoU_low[pooled]': 65.4, 'mIoU_high[pooled]': 69.5, 'ECE[pooled]': .0045}
for _head in ('msp', 'energy', 'standardized_max_logit', 'a_head_with_quite_a_long_name'):
    for _name in ('AUROC', 'AP', 'FPR95', 'AURC', 'risk@coverage0.95'):
        METRICS |= {f'{_head}/IDM_{_name}{side}[pooled]': 90.25 for side in ('', '_low', '_high')}


@pytest.mark.slow
@pytest.mark.parametrize('width', [412, 1400])
def test_nothing_runs_out_of_the_page(browser, width, tmp_path):
    title = 'segformer_b0_toy_roads_with_a_name_that_never_ends_FED_CRC on ToyRoadsDataset'
    body = f'<h1>{title}</h1>{summary(METRICS)}{metrics_tables(METRICS)}{comparison(METRICS, METRICS, (title, "other"))}'
    (tmp_path / 'report.html').write_text(page_of(title, body), encoding='utf-8')
    browser.execute_cdp_cmd('Emulation.setDeviceMetricsOverride', dict(width=width, height=900, deviceScaleFactor=1, mobile=False))
    browser.get((tmp_path / 'report.html').as_uri())
    browser.execute_script("document.querySelectorAll('details').forEach(part => part.open = true)")
    assert browser.execute_script('return document.documentElement.scrollWidth') <= width
    # A finger on the glass should not have to push the main table sideways.
    table = 'const [first] = document.querySelectorAll(".table"); return [first.scrollWidth, first.clientWidth]'
    needed, there = browser.execute_script(table)
    assert needed <= there
    beside = 'const {scrollWidth, clientWidth} = document.querySelector(".sides").parentElement; return [scrollWidth, clientWidth]'
    needed, there = browser.execute_script(beside)
    assert needed <= there
    browser.execute_cdp_cmd('Emulation.clearDeviceMetricsOverride', {})
    assert not [entry for entry in browser.get_log('browser') if entry['level'] == 'SEVERE' and 'favicon' not in entry['message']]
