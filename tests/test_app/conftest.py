"""Samples, a served app and a browser."""
import os
import shutil

import pytest
import torch
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample

from mmseg_uncertainty.app.serve import forbid_telemetry, serve


@pytest.fixture
def sample_of():
    """A random result of a given size."""
    def make(height, width, classes=5):
        logits = torch.randn(classes, height, width, generator=torch.Generator().manual_seed(0))
        sample = SegDataSample()
        sample.set_data(dict(seg_logits=PixelData(data=logits), pred_sem_seg=PixelData(data=logits.argmax(0, keepdim=True)),
                             uncertainty=PixelData(msp=1 - logits.softmax(0).amax(0, keepdim=True))))
        return sample

    return make


@pytest.fixture(scope='session')
def page():
    """The app with the shipped model, served on this machine."""
    forbid_telemetry()
    pytest.importorskip('gradio', reason='gradio is not installed; pip install "mmseg_uncertainty[app]"')
    from mmengine.registry import init_default_scope

    from mmseg_uncertainty.apis import UncertaintyInferencer
    from mmseg_uncertainty.app.held_out_examples import test_examples
    from mmseg_uncertainty.app.uncertainty_app import UncertaintyApp
    init_default_scope('mmseg')
    inferencer = UncertaintyInferencer('segformer_b0_toy_roads_FED_CRC', device='cpu', show_progress=False)
    examples = test_examples(inferencer.cfg, 3, inferencer.model.calibrated_on)
    page = serve(UncertaintyApp(inferencer, examples, 'segformer_b0_toy_roads_FED_CRC'))
    yield page
    page.close()


@pytest.fixture(scope='session')
def browser():
    """Headless Chromium; tests skip without, or fail where REQUIRE_BROWSER is set."""
    webdriver = pytest.importorskip('selenium.webdriver', reason='selenium is not installed')
    paths = [shutil.which(name) for name in ('chromium', 'chromedriver')]
    if not all(paths):
        message = 'no chromium with chromedriver; run tools/install_browser.sh'
        if os.environ.get('REQUIRE_BROWSER'):
            pytest.fail(message)
        pytest.skip(message)
    options = webdriver.ChromeOptions()
    options.binary_location = paths[0]
    for argument in ('--headless=new', '--no-sandbox', '--disable-dev-shm-usage', '--disable-gpu', '--hide-scrollbars',
                     '--window-size=1400,1250', '--disable-background-networking'):
        options.add_argument(argument)
    options.set_capability('goog:loggingPrefs', {'browser': 'ALL'})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(paths[1]))
    yield driver
    driver.quit()
