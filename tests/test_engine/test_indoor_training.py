"""The indoor U-Net trains, keeps its best checkpoint, and says what it is."""
import pytest
from mmengine.config import Config
from mmengine.runner import Runner

from mmseg_uncertainty.apis import add_hooks
from tests.test_datasets.small_indoor_scenes import write_indoor_scenes

CONFIG = 'local_configs/unet/unet_s3dis_2d_BASE.py'


@pytest.fixture
def config(tmp_path, pytestconfig):
    write_indoor_scenes(tmp_path / 'data', areas=('1', '2', '3', '4', '5a', '5b', '6'), frames=1)
    config = Config.fromfile(pytestconfig.rootpath / CONFIG)
    for name in ('train', 'val', 'test'):
        loader = config[f'{name}_dataloader']
        loader.update(batch_size=2 if name == 'train' else 1, num_workers=0, persistent_workers=False)
        loader.dataset.update(data_root=str(tmp_path / 'data'), labels='semantic')
        loader.dataset.pipeline = [step | dict(type='LoadInstanceColors') if step['type'] == 'LoadLabels' else step
                                   for step in loader.dataset.pipeline]
    config.merge_from_dict({
        'model.backbone.base_channels': 4, 'model.decode_head.in_channels': 4, 'model.decode_head.channels': 4,
        'train_cfg.max_iters': 2, 'train_cfg.val_interval': 1, 'default_hooks.visualization.interval': 1})
    config.train_dataloader.dataset.pipeline = [
        step | dict(crop_size=(16, 16)) if step['type'] == 'RandomCrop' else
        step | dict(scale=(16, 16)) if step['type'] == 'Resize' else step
        for step in config.train_dataloader.dataset.pipeline]
    config.work_dir = str(tmp_path / 'run')
    # mmengine finds a visualizer by its name, also that of another run in the same process.
    config.visualizer.name = f'visualizer of {tmp_path.name}'
    add_hooks(config, need_heads=False)
    return config


def test_best_checkpoint_summary_and_tensorboard(config, tmp_path):
    accumulators = pytest.importorskip('tensorboard.backend.event_processing.event_accumulator')
    Runner.from_cfg(config).train()
    run = tmp_path / 'run'
    assert len(list(run.glob('best_macroF1*.pth'))) == 1
    summary = (run / 'summary.txt').read_text()
    assert "training: 5 images of S3DIS2DDataset" in summary and "areas ('1', '2', '3', '4', '6')" in summary
    assert 'command: ' in summary and 'commit: ' in summary and 'LabUNet' in summary
    events = accumulators.EventAccumulator(str(next(run.rglob('events.out.tfevents*')).parent))
    events.Reload()
    tags = events.Tags()
    assert tags['images'] and 'macroF1[pooled]' in tags['scalars'] and 'summary/text_summary' in tags['tensors']


def test_areas_that_train_and_evaluate_stop_the_run(config):
    pytest.importorskip('tensorboard')
    config.val_dataloader.dataset.areas = ['3']
    with pytest.raises(ValueError, match='share the areas'):
        Runner.from_cfg(config).train()
