"""Under load, killed and ended while requests are under way, a service loses none and answers none half."""
import signal
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS

from mmseg_uncertainty.apis import load_posthoc
from mmseg_uncertainty.apis.exported_segmentor import ExportedSegmentor
from mmseg_uncertainty.apis.onnx_export import export_onnx
from mmseg_uncertainty.runtime.onnx_segmentor import OnnxSegmentor
from tests.tiny import tiny_posthoc

ROOT = Path(__file__).resolve().parents[2]
LACKING = [name for name in ('fastapi', 'onnxscript', 'onnxruntime', 'prometheus_client', 'uvicorn') if not find_spec(name)]
pytestmark = pytest.mark.skipif(bool(LACKING), reason=f'{LACKING} not installed; pip install "mmseg_uncertainty[onnx,serve]"')


@pytest.fixture(scope='module')
def exported(tmp_path_factory):
    init_default_scope('mmseg')
    torch.manual_seed(0)
    config, folder = Config(dict(model=tiny_posthoc(dict(msp=dict(type='MSPHead'))), test_pipeline=[
        dict(type='LoadImageFromFile'), dict(type='PackSegInputs')])), tmp_path_factory.mktemp('served')
    torch.save(dict(state_dict=MODELS.build(config.model).state_dict(), meta=dict(dataset_meta=dict(classes=list('abcde')))),
               folder / 'tiny.pth')
    return export_onnx(ExportedSegmentor(load_posthoc(config, folder / 'tiny.pth')), folder / 'tiny.onnx')


def test_nothing_is_lost_by_a_kill_and_a_restart(exported, monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / 'tools/benchmarks'))
    import serve as benchmark
    images, segmentor = benchmark.street_images(4), OnnxSegmentor(exported, show_progress=False)
    labels = [segmentor.predict(image[..., ::-1]).labels for image in images]
    jobs = benchmark.mixed_jobs(images, labels, 160)
    service = benchmark.Service(str(exported))
    try:
        load = benchmark.Load(service, jobs, {20: lambda: service.restart(signal.SIGKILL),
                                              60: lambda: service.restart(signal.SIGTERM)})
        load.run(clients=8)
        assert (load.counts['right'], load.counts['wrong'], load.counts['lost']) == (160, 0, 0)
        assert sum(number for status, number in load.statuses.items() if status != 200) == 8
        assert service.ask('/health')[0] == 200
    finally:
        service.end()
