"""Configs and plans that do not say what they should."""
from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

from .case import EITHER, REFUSED, SAME, Case
from .sound import CALLS, INPUTS

# Code behind the end of a config, for the calls that read what it breaks, and words of which a message holds one.
MODEL = ('infer', 'test', 'report', 'export', 'app', 'fit', 'train', 'train_statistics', 'sweep')
TESTED = ('test', 'report', 'sweep')
TRAINED = ('train', 'train_statistics')
_ENDS = (
    (MODEL, 'has no model', 'del model', REFUSED, ('model', )),
    (MODEL, 'has a number for a model', 'model = 3', REFUSED, ('model', )),
    (MODEL, 'has a list for a model', 'model = [model]', REFUSED, ('model', )),
    (MODEL, 'has a model without type', 'del model["type"]', REFUSED, ('type', 'model')),
    (MODEL, 'misspells the model', 'model["type"] += "r"', REFUSED, ('Segmentorr', 'EncoderDecoderr')),
    (MODEL, 'misspells the backbone', 'model["backbone"]["type"] += "s"', REFUSED, ('MixVisionTransformers', )),
    (MODEL, 'misspells the decode head', 'model["decode_head"]["type"] += "s"', REFUSED, ('SegformerHeads', )),
    (MODEL, 'misspells an option of a part', 'model["backbone"]["embed_dim"] = 3', REFUSED, ('embed_dim', )),
    (MODEL, 'has other classes', 'model["decode_head"]["num_classes"] = 7', REFUSED, ('class', 'shape')),
    (MODEL, 'has no classes', 'model["decode_head"]["num_classes"] = 0', REFUSED, ('class', )),
    (MODEL, 'has negative classes', 'model["decode_head"]["num_classes"] = -4', REFUSED, ('class', )),
    (MODEL, 'has a text for classes', 'model["decode_head"]["num_classes"] = "four"', REFUSED, ('class', 'four')),
    (MODEL, 'has no decode head', 'del model["decode_head"]', REFUSED, ('decode_head', )),
    (MODEL, 'has another width', 'model["backbone"]["embed_dims"] = 16', REFUSED, ()),
    (MODEL, 'slides without a window', 'model["test_cfg"] = dict(mode="slide")', EITHER, ('crop_size', 'slide')),
    (MODEL, 'is of an unknown mode', 'model["test_cfg"] = dict(mode="silde")', REFUSED, ('silde', 'mode')),
    (MODEL, 'fails', 'x = 1 / 0', REFUSED, ('.py', 'zero')),
    (MODEL, 'uses what is not there', 'x = nonesuch', REFUSED, ('nonesuch', )),
    (MODEL, 'imports what is not there', 'import nonesuch_package', EITHER, ('nonesuch_package', )),
    (MODEL, 'does not parse', 'model = dict(', REFUSED, ('.py', )),
    (MODEL, 'ends in the middle of a text', 'x = "', REFUSED, ('.py', )),
    (MODEL, 'bases itself on nothing', '_base_ = "nonesuch.py"', REFUSED, ('nonesuch.py', )),
    (MODEL, 'bases itself on a number', '_base_ = 3', REFUSED, ('_base_', )),
    (MODEL, 'names a scope that is not there', 'default_scope = "nonesuch"', EITHER, ('nonesuch', )),
    (MODEL, 'imports a custom module that is not there', 'custom_imports = dict(imports=["nonesuch_module"])', REFUSED,
     ('nonesuch_module', )),
    (('infer', 'test', 'app', 'export', 'train'), 'misspells a head',
     'next(iter(model["uncertainty_heads"].values()))["type"] += "s"', REFUSED, ('MSPHeads', 'EntropyHeads', 'FlowEneDetHeads')),
    (('infer', 'test', 'export', 'train'), 'has an option that heads lack',
     'next(iter(model["uncertainty_heads"].values()))["nonesuch"] = 1', REFUSED, ('nonesuch', )),
    (('infer', 'test', 'export'), 'has a temperature of zero', 'model["uncertainty_heads"]["msp"]["temperature"] = 0', REFUSED,
     ('temperature', )),
    (('infer', 'test', 'train'), 'has a list for heads', 'model["uncertainty_heads"] = [1]', REFUSED, ('uncertainty_heads', )),
    (('test', 'infer'), 'has no heads', 'model["uncertainty_heads"] = dict()', EITHER, ('uncertainty_heads', 'head')),
    (TESTED, 'has no test data', 'del test_dataloader', REFUSED, ('test_dataloader', )),
    (TESTED, 'has no dataset', 'del test_dataloader["dataset"]', REFUSED, ('dataset', )),
    (TESTED, 'misspells the dataset', 'test_dataloader["dataset"]["type"] += "s"', REFUSED, ('FolderDatasets', )),
    (TESTED, 'has a dataset without type', 'del test_dataloader["dataset"]["type"]', REFUSED, ('type', )),
    (TESTED, 'misspells a step', 'test_dataloader["dataset"]["pipeline"][1]["type"] += "s"', REFUSED, ('LoadLabelss', )),
    (TESTED, 'has a step without type', 'del test_dataloader["dataset"]["pipeline"][1]["type"]', REFUSED, ('type', 'pipeline')),
    (TESTED, 'has no steps', 'test_dataloader["dataset"]["pipeline"] = []', REFUSED, ('pipeline', )),
    (TESTED, 'loads no labels', 'del test_dataloader["dataset"]["pipeline"][1]', REFUSED, ('label', 'gt_sem_seg')),
    (TESTED, 'does not pack', 'del test_dataloader["dataset"]["pipeline"][2]', REFUSED, ('PackSegInputs', 'pipeline')),
    (TESTED, 'names other classes', 'test_dataloader["dataset"]["metainfo"] = dict(classes=("a", "b"))', REFUSED, ('class', )),
    (TESTED, 'has no batch', 'test_dataloader["batch_size"] = 0', REFUSED, ('batch_size', )),
    (TESTED, 'has no sampler', 'del test_dataloader["sampler"]', EITHER, ('sampler', )),
    (TESTED, 'misspells the sampler', 'test_dataloader["sampler"]["type"] = "Sampler"', REFUSED, ('Sampler', )),
    (TESTED, 'has a text for folders', 'test_dataloader["dataset"]["data_prefix"] = "images"', REFUSED, ('data_prefix', )),
    (('test', ), 'misspells a hook', 'custom_hooks = [dict(type="NoHook")]', REFUSED, ('NoHook', )),
    (('test', ), 'misspells the loop', 'test_cfg = dict(type="TestLop")', REFUSED, ('TestLop', )),
    (('test', ), 'has a loop without type', 'test_cfg = dict()', EITHER, ('test_cfg', 'type')),
    (TRAINED, 'has no training data', 'del train_dataloader', REFUSED, ('train_dataloader', )),
    (TRAINED, 'has no loop', 'del train_cfg', REFUSED, ('train_cfg', )),
    (TRAINED, 'has a loop without type', 'del train_cfg["type"]', EITHER, ('train_cfg', 'type')),
    (TRAINED, 'misspells the loop', 'train_cfg["type"] += "s"', REFUSED, ('Loops', )),
    (TRAINED, 'has an option that loops lack', 'train_cfg["nonesuch"] = 3', REFUSED, ('nonesuch', )),
    (TRAINED, 'misspells the training set', 'train_dataloader["dataset"]["type"] += "s"', REFUSED, ('FolderDatasets', )),
    (TRAINED, 'has a negative batch', 'train_dataloader["batch_size"] = -1', REFUSED, ('batch_size', )),
    (('train', ), 'has no iterations', 'train_cfg["max_iters"] = 0', REFUSED, ('max_iters', )),
    (('train', ), 'has half an iteration', 'train_cfg["max_iters"] = 0.5', REFUSED, ('max_iters', )),
    (('train', ), 'has no optimizer', 'del optim_wrapper', REFUSED, ('optim_wrapper', )),
    (('train', ), 'misspells the optimizer', 'optim_wrapper["optimizer"]["type"] += "s"', REFUSED, ('AdamWs', )),
    (('train', ), 'misspells the schedule', 'param_scheduler[0]["type"] += "s"', REFUSED, ('CosineAnnealingLRs', )),
    (('train_statistics', ), 'misspells the calibrator', 'model["calibrator"]["type"] += "s"', REFUSED, ('TemperatureScalings', )))
_WHOLE = (
    ('is nothing but a comment', lambda text: '# nothing\n', REFUSED, ('model', )),
    ('ends in blanks and carriage returns', lambda text: text.replace('\n', '  \r\n'), SAME, ()),
    ('has a byte order mark', lambda text: '\ufeff' + text, EITHER, ()),
    ('is of Latin letters', lambda text: text.encode() + '# größe\n'.encode('latin-1'), REFUSED, ('.py', )),
    ('holds a zero byte', lambda text: text.encode() + b'\0', REFUSED, ('.py', )),
    ('is based on itself', lambda text: f'_base_ = "./NAME"\n{text}', REFUSED, ('_base_', 'NAME')),
    ('is JSON that does not parse', lambda text: '{"model": ', REFUSED, ('.py', )))
_PLANS = (
    ('does not parse', lambda text: text + 'x: [1, 2\n', REFUSED), ('has tabs', lambda text: text + 'x:\n\t- 1\n', REFUSED),
    ('is a list', lambda text: '- 1\n- 2\n', REFUSED), ('is a number', lambda text: '3\n', REFUSED),
    ('has an unknown key', lambda text: text + 'corruption: [snow]\n', REFUSED, 'corruption'),
    ('has no models', lambda text: text.replace('models:', 'modles:'), REFUSED, 'models'),
    ('has nothing for models', lambda text: text + 'models:\n', REFUSED, 'models'),
    ('has a text for models', lambda text: text + 'models: tiny\n', REFUSED, 'models'),
    ('has a text for a model', lambda text: text + 'models: {tiny: scores.py}\n', REFUSED, 'models.tiny'),
    ('has a model without config', lambda text: text + 'models: {tiny: {checkpoint: base.pth}}\n', REFUSED, 'config'),
    ('has a model whose config is gone', lambda text: text.replace('scores.py', 'gone.py'), REFUSED, 'gone.py'),
    ('has a model whose checkpoint is gone', lambda text: text.replace('base.pth', 'gone.pth'), REFUSED, 'gone.pth'),
    ('has a list for datasets', lambda text: text + 'datasets: [own]\n', REFUSED, 'datasets'),
    ('has a number for a dataset', lambda text: text + 'datasets: {own: 3}\n', REFUSED, 'datasets.own'),
    ('has an unknown dataset', lambda text: text.replace('data.py', 'nonesuch'), REFUSED, 'nonesuch'),
    ('has a dataset whose config is gone', lambda text: text.replace('data.py', 'gone.py'), REFUSED, 'gone.py'),
    ('has a negative step', lambda text: text.replace('dataset: data.py', 'dataset: data.py\n    every: -1'), REFUSED, 'every'),
    ('has a text for a step', lambda text: text.replace('dataset: data.py', 'dataset: data.py\n    every: x'), REFUSED, 'every'),
    ('has an unknown corruption', lambda text: text.replace('snow', 'snwo'), REFUSED, 'snwo'),
    ('has a text for corruptions', lambda text: text + 'corruptions: snow\n', REFUSED, 'corruptions'),
    ('has a number for corruptions', lambda text: text + 'corruptions: 3\n', REFUSED, 'corruptions'),
    ('has a number for severities', lambda text: text + 'severities: 3\n', REFUSED, 'severities'),
    ('has texts for severities', lambda text: text + 'severities: [x]\n', REFUSED, 'severities'),
    ('has severities out of range', lambda text: text + 'severities: [0, 9]\n', REFUSED, 'severities'),
    ('has nothing for severities', lambda text: text + 'severities:\n', REFUSED, 'severities'),
    ('has unknown heads', lambda text: text + 'heads: [entropi]\n', REFUSED, 'entropi'),
    ('has unknown evaluators', lambda text: text + 'evaluators: [ECC]\n', REFUSED, 'ECC'),
    ('has a number for evaluators', lambda text: text + 'evaluators: 3\n', REFUSED, 'evaluators'),
    ('has no evaluators', lambda text: text + 'evaluators: []\n', REFUSED, 'evaluators'),
    ('has an unknown average', lambda text: text + 'averages: best\n', REFUSED, 'averages'),
    ('has a list for domains', lambda text: text + 'domains: [own]\n', REFUSED, 'domains'),
    ('has an unknown reference', lambda text: text + 'reference: other\n', REFUSED, 'other'),
    ('has a number for a reference', lambda text: text + 'reference: 3\n', REFUSED, 'reference'),
    ('has unknown metrics in its report', lambda text: text + 'report: [mIuo]\n', EITHER, 'mIuo'),
    ('has a calibrator whose config is gone', lambda text: text.replace(
        'checkpoint: base.pth', 'checkpoint: base.pth\n    calibrators: {t: {config: gone.py, checkpoint: base.pth}}'), REFUSED,
     'gone.py'),
    ('has a list for calibrators', lambda text: text.replace(
        'checkpoint: base.pth', 'checkpoint: base.pth\n    calibrators: [t]'), REFUSED, 'calibrators'),
    ('is based on itself', lambda text: '_base_: plan.yaml\n' + text, REFUSED),
    ('holds an endless reference', lambda text: text + 'domains: &d {own: *d}\n', REFUSED),
    ('names a model by a path', lambda text: text.replace('tiny:', '../tiny:'), REFUSED, '../tiny'))


def config_cases() -> Iterator[Case]:
    """Every config and plan, broken in every way."""
    for calls, what, code, expects, names in _ENDS:
        for call in calls:
            # Sweeps take the test data of their datasets.
            file = 'data.py' if call == 'sweep' and calls is TESTED else INPUTS[call]['config']
            yield Case(call, 'config', f'config {what}', CALLS[call], _edit(file, lambda text, code=code: f'{text}\n{code}\n'),
                       expects, names)
    for call in MODEL:
        file = INPUTS[call]['config']
        for what, edit, expects, names in _WHOLE:
            change = (lambda text, edit=edit, file=file: edit(text).replace('NAME', file)) if 'NAME' in names else edit
            yield Case(call, 'config', f'config {what}', CALLS[call], _edit(file, change), expects,
                       tuple(name.replace('NAME', file) for name in names))
    for what, edit, expects, *names in _PLANS:
        yield Case('sweep', 'config', f'plan {what}', CALLS['sweep'], _edit('plan.yaml', edit), expects,
                   tuple(names) or ('plan.yaml', ))




def _edit(name: str, edit: Callable[[str], str | bytes]) -> Callable[[Path, Random], None]:
    def change(folder: Path, random: Random) -> None:
        path = folder / name
        text = edit(path.read_text())
        path.write_bytes(text if isinstance(text, bytes) else text.encode())

    return change
