"""Every block of Python of README and docs runs with what it takes for granted; those of docs/python.md have a test of their own."""
import inspect
import textwrap
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.evaluator import BaseMetric
from mmseg.registry import DATASETS, HOOKS, METRICS, MODELS, VISUALIZERS
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

import mmseg_uncertainty
from mmseg_uncertainty.apis import fit
from mmseg_uncertainty.apis.config_files import load_config
from mmseg_uncertainty.apis.sweep_plan import SweepPlan
from mmseg_uncertainty.datasets import CheckedSegDataset
from mmseg_uncertainty.functional.class_distributions import class_distribution
from mmseg_uncertainty.models.bases import FrozenBase
from mmseg_uncertainty.models.decode_heads import ScoreHead
from mmseg_uncertainty.structures.method_info import MethodInfo
from tests.documentation import PAGES, blocks
from tests.outside import Plain
from tests.test_datasets.small_files import write_image
from tests.tiny import tiny_base, tiny_posthoc

BLOCKS = [block for page in PAGES if page.stem != 'python' for block in blocks(page, 'python')]


def executed(text, **names):
    """Names that a block defines, and those that it was given."""
    exec(compile(text, 'block', 'exec'), names)  # noqa: S102
    return names


def wrapped(text):
    images, labels = torch.randn(24, 3, 16, 24), torch.randint(0, 3, (24, 16, 24))
    loader = DataLoader(TensorDataset(images, labels), batch_size=4)
    torch.manual_seed(0)
    names = executed(
        text.replace('fit(loader)', 'fit(loader, iterations=2)'), mmseg_uncertainty=mmseg_uncertainty, net=Plain(3).eval(),
        names=['road', 'tree', 'sky'], loader=loader, images=images[:2], test_loader=[(images[:4], labels[:4])])
    assert set(names['result'].uncertainty) == {'msp', 'fedc'} and names['result'].prediction_set is not None


def inherited(text):
    """A config of the zoo with heads."""
    Path('own.py').write_text(text)
    config = load_config('own.py')
    assert config.model.type == 'PosthocSegmentor' and config.model.backbone and 'msp' in config.model.uncertainty_heads


def decided(text):
    Config(dict(default_scope='mmseg', model=tiny_base(), heads=dict(fedc=dict(type='MSPHead')))).dump('base.py')
    Path('own.py').write_text("_base_ = ['base.py']\n" + text)
    assert set(MODELS.build(load_config('own.py').model).decisions) == {'flagged'}


def adapted(text):
    torch.manual_seed(0)
    images = torch.randn(30, 3, 16, 24)
    network = Plain(3).eval()
    with torch.no_grad():
        labels = network(images).argmax(dim=1)
    loader = [(images[start:start + 5], labels[start:start + 5]) for start in range(0, 30, 5)]
    names = executed(text, wrap=partial(mmseg_uncertainty.wrap, num_classes=3), network=network, loader=loader,
                     new_images=[images[:6] + 0.1], other_images=[images[6:12]])
    assert names['model'].predict(images[:1]).prediction_set is not None


def summed(text):
    config = tiny_base()
    config.update(type='PosthocSegmentor', uncertainty_heads=executed(text)['heads'])
    assert MODELS.build(Config(config)).uncertainty_heads['both'].members == ('knn', 'energy')


def weighed(text):
    config = tiny_base()
    heads = executed(text, deep=dict(type='NearestNeighborHead'))['heads']
    config.update(type='PosthocSegmentor', uncertainty_heads=heads)
    assert MODELS.build(Config(config)).uncertainty_heads['fed_evidence'].evidence == ('deep_knn', )


def read_from_a_layer(text):
    head = MODELS.build(dict(executed(text)['deep'], num_classes=3))
    assert head.features_from == 'backbone.layers.3.1.1.attn.attn:keys'


def rendered(text):
    dataset = DATASETS.build(eval(text))  # noqa: S307
    assert len(dataset) == 200 and dataset[0]['inputs'].shape == (3, 160, 256)


def fitted(text):
    """The call of :func:`fit` fits its signature; the command beside it runs."""
    calls = []
    executed(text.replace('from mmseg_uncertainty.apis import fit', ''), fit=lambda *words: calls.append(words))
    inspect.signature(fit).bind(*calls[0])


def based(text):
    Path('my').mkdir()
    Path('my/code.py').write_text('from tests.outside import Plain\n\n\nclass Named(Plain):\n'
                                  '    def forward(self, images):\n        return dict(out=super().forward(images))\n\n\n'
                                  'def build(classes):\n    return Named(classes)\n')
    torch.save(Plain(8).state_dict(), 'my_network.pth')
    names = executed(text.replace('…', ', '.join(f"'{index}'" for index in range(6))),
                     _base_=Config(dict(heads=dict(msp=dict(type='MSPHead')))))
    assert MODELS.build(names['model']).base.num_classes == 8


def named_bases(text):
    for line in text.splitlines():
        base = executed(line)['base']
        inspect.signature(MODELS.get(base.pop('type')).__init__).bind(None, **base)


def registered(text, **names):
    """What a block registers, taken out again."""
    registries = (MODELS, DATASETS, METRICS)
    before = [set(registry.module_dict) for registry in registries]
    try:
        return executed(text, MODELS=MODELS, DATASETS=DATASETS, METRICS=METRICS, Tensor=Tensor, Mapping=Mapping, Sequence=Sequence,
                        **names)
    finally:
        for registry, known in zip(registries, before):
            for name in set(registry.module_dict) - known:
                del registry._module_dict[name]


def own_base(text):
    class Library:
        @staticmethod
        def load(path):
            network = nn.Module()
            network.head = Plain(8)
            network.forward = lambda images: type('Output', (), dict(logits=network.head(images)))
            return network

    made = registered(text, FrozenBase=FrozenBase, class_distribution=class_distribution, my_library=Library)['MyBase']('path')
    metas = [dict(img_shape=(32, 48), pad_shape=(32, 48), ori_shape=(32, 48))]
    assert made.scores(torch.zeros(1, 3, 32, 48), metas).shape == (1, 8, 32, 48)


def own_dataset(text):
    assert registered(text, CheckedSegDataset=CheckedSegDataset)['MyDataset'].METAINFO['classes'] == ('road', 'car')


GINI = next(block.text for block in BLOCKS if 'def gini' in block.text)


def own_score(text):
    logits = torch.tensor([0., 0., 0.]).reshape(1, 3, 1)
    assert executed(text, Tensor=Tensor)['gini'](logits).item() == pytest.approx(2 / 3)


def own_head(text):
    made = registered(GINI + text, ScoreHead=ScoreHead, MethodInfo=MethodInfo)['GiniHead']()
    assert made.score(torch.zeros(1, 4, 2, 2), None).allclose(torch.tensor(0.75))


def own_metric(text):
    metric = registered(text, BaseMetric=BaseMetric)['FlaggedShareMetric']()
    metric.process({}, [dict(uncertainty=dict(msp=torch.tensor([0.2, 0.5, 0.9, 0.4])))])
    assert metric.compute_metrics(metric.results) == {'msp/flagged': 50.}


def watched(text):
    random = np.random.default_rng(0)
    names = executed(text, mean_entropy_of_calibration_frames=random.random(50).tolist(), mean_entropy_of_this_frame=0.5)
    assert names['monitor'].frame == 1 and not names['state'].alarm


def inferred(text):
    heads = dict(entropy=dict(type='EntropyHead'))
    Config(dict(default_scope='mmseg', model=tiny_posthoc(heads), test_pipeline=[
        dict(type='LoadImageFromFile'), dict(type='PackSegInputs')])).dump('tiny.py')
    torch.save(dict(state_dict=MODELS.build(Config(tiny_base())).state_dict(), meta={}), 'tiny.pth')
    write_image(Path('street/1.jpg'), (32, 32))
    names = executed(text, config='tiny.py', checkpoint='tiny.pth', array=np.zeros((32, 32, 3), np.uint8))
    assert len(names['summaries']) == 1 and names['sample'].uncertainty.entropy.shape[-2:] == (32, 32)


def drawn(text):
    names = executed(text)
    assert VISUALIZERS.get(names['visualizer']['type'])
    hook, = names['custom_hooks']
    assert HOOKS.build(hook)


# What runs a block, by words that only this block, or blocks of this kind, have.
RUNS = {'wrap(net,': wrapped, "method='weighted'": adapted, 'SumOfScoresHead': summed, 'deep = dict(': read_from_a_layer,
        'fed_evidence=dict(': weighed,
        "_base_ = ['mmseg::": inherited, 'FlagThreshold': decided, 'ToyRoadsDataset': rendered,
        'import fit': fitted, "type='TorchBase'": based, "type='TransformersBase'": named_bases, 'class MyBase': own_base,
        'class MyDataset': own_dataset, 'def gini': own_score, 'class GiniHead': own_head, 'class FlaggedShareMetric': own_metric,
        'StreamMonitor(': watched, 'UncertaintyInferencer(config': inferred, 'UncertaintyVisualizer': drawn}


@pytest.mark.parametrize('block', BLOCKS, ids=lambda block: f'{block.page}:{block.line}')
def test_block_runs(block, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run, = (run for words, run in RUNS.items() if words in block.text)
    run(textwrap.dedent(block.text))


def test_the_plan_of_a_sweep_is_read(tmp_path, monkeypatch):
    block, = (block for page in PAGES for block in blocks(page, 'yaml'))
    (tmp_path / 'plan.yaml').write_text(block.text)
    plan = SweepPlan.from_file(tmp_path / 'plan.yaml')
    assert set(plan.models) == {'cgnet'} and set(plan.datasets) == {'camvid', 'idd_lite'}
