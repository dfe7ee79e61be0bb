"""Options that are not what they should be; most are read off the parsers, so new options are tried too."""
from __future__ import annotations

import argparse
import shlex
from collections.abc import Iterator
from functools import partial
from importlib import import_module

from mmseg_uncertainty.cli.commands import COMMANDS

from .case import EITHER, REFUSED, Case
from .sound import CALLS

MODELS = ('scores.py', 'base.py', 'train.py', 'plan.yaml')

LONG = 'x' * 300
NUMBERS = dict(x=REFUSED, nan=REFUSED)
VALUES = {int: {**NUMBERS, '': REFUSED, '-1': REFUSED, '0': EITHER, '1.5': REFUSED, '9' * 30: EITHER},
          float: {**NUMBERS, '': REFUSED, '-1': REFUSED, '0': EITHER, 'inf': EITHER, '1e400': EITHER}}
NUMBER_TYPES = dict(whole_number=int, number_between=float)
# Options that reach outside or ask for another machine, and --debug, which asks for a traceback.
LEFT_OUT = ('--share', '--debug', '--help', '--cluster', '--cluster-options')
NAMES = ('--eval', '--head', '--heads', '--protocol', '--test-dataset', '--corrupt-type', '--device', '--models', '--add', '--amp',
         '--launcher', '--cache-precision')
FOLDER_LIKE = ('--data-root', '--images', '--labels', '--examples', '--outliers')
# Words behind those of a call that no parser can know to be wrong, or that contradict each other; ? may be right.
PAIRS = dict(
    infer=['--threshold entropy', '--threshold entropi=1', '--threshold msp=nan', '--threshold msp=',
        '--every 2 --threshold =1', '--no-flip', '--tta -1', '--tta 0', '--tta nan', '? --tta 1000', '? --tta 0.001'],
    infer_onnx=['--device cpu', '--batch-size 2', '--tta', '--threshold entropi=1'],
    fit=['--add temperature vector', '--add crc kandinsky', '--add temprature', '? --add crc crc',
        '? --outliers images', '--cfg-options model.decode_head.num_classes=7', '--cfg-options model=3',
        '? --iterations 5', '--alpha 1', '--out m.onnx'],
    test=['--images images', '--labels labels', '--images images --labels labels --test-dataset camvid',
        '--images images --labels labels --data-root x', '--corrupt-type snow --corrupt-severity 9',
        '? --corrupt-severity 3', '--eval IDM --protocol x', '--eval coverage', '? --eval mFishy', '? --eval oIoU',
        '? --eval OOD-image', '? --heads', '? --eval', '--test-dataset camvid', '? --cfg-options model.num_classes',
        '--cfg-options =3', '--cfg-options test_dataloader.batch_size=x', '--cfg-options test_dataloader=3',
        '--cfg-options model.decode_head.num_classes=7', '--cfg-options test_dataloader.dataset.lenght=3',
        '--cfg-options model.type=Posthoc', '--cfg-options test_dataloader.dataset.pipeline.9.type=x',
        '--cfg-options model.test_cfg.mode=silde', '--cfg-options test_dataloader.num_workers=-1', '--launcher pytorch',
        '--launcher slurm', '--launcher mpi', '--no-flip', '--tta 0'],
    report=['? --heads msp msp', "--out ''", '? --eval ECE ECE'],
    train=['--cfg-options train_cfg.max_iters=-1', '--cfg-options train_cfg.max_iters=x',
        '--cfg-options train_dataloader.batch_size=0', '? --cfg-options train_dataloader.batch_size=7',
        '--cfg-options optim_wrapper.optimizer.lr=-1', '--cfg-options optim_wrapper.optimizer.lr=nan',
        '? --cfg-options optim_wrapper.optimizer.lr=1e30', '--cfg-options optim_wrapper.optimizer.type=Adamm',
        "--load-from ''", '--load-from segformer_b0_camvif', '? --load-from segformer_b0_camvid', '--launcher pytorch',
        '--launcher slurm'],
    train_statistics=['--cfg-options model.calibrator.type=Temperature',
        '? --cfg-options train_dataloader.batch_size=2'],
    export=['--sizes 0x0', '--sizes -64x96', '--sizes 64', '--sizes 64x96x3', '? --sizes 7x7', '? --sizes 1x1',
        '? --sizes 999999x999999', '--heads entropi', '? --heads', '? --heads msp msp', '--out m.onnxx', '--out m',
        "--out ''", '? --preprocess --probabilities'],
    export_onnx=['--opset 1', '? --opset 99', '--opset -3', '--opset 0'],
    sweep=['--models tini', '--group tiny nope', '--group nope own', '--group tiny', '--gpus 0', '--gpus -1',
        '? --tables-only', '--launcher pytorch --group tiny own', '? --models'],
    submit=['--split Static', '--split Sttaic', '--split LostAndFound Static', '--rescale sometimes', '--no-flip', '--tta 0',
        '--method a/b', '--labels images', '? --check', '--cfg-options model.decode_head.num_classes=7'],
    app=['--port 0', '--port 80000', '? --port 80', '? --num-examples 0', '--examples base.pth'],
    datasets=['camvod', "? ''"],
    models=['camvod', "? ''", "'*'"])


def option_cases() -> Iterator[Case]:
    """Every option of every command, and pairs."""
    for command in COMMANDS:
        parser = argparse.ArgumentParser()
        import_module(f'mmseg_uncertainty.cli.options.{command}').add_options(parser)
        for action in parser._actions:
            option = next((name for name in action.option_strings if name.startswith('--') and name not in LEFT_OUT), None)
            if option:
                yield from _values(command, option, action)
        yield from _words(command)
    for call, pairs in PAIRS.items():
        for text in pairs:
            pair = tuple(shlex.split(text.removeprefix('? ')))
            yield Case(call, 'option', f'with {shlex.join(pair)}', _changed(call, *pair),
                       expects=EITHER if text.startswith('? ') else REFUSED,
                       names=tuple(word.lstrip('-') for word in pair if word.startswith('--')) + _parts(pair))


def _parts(pair: tuple[str, ...]) -> tuple[str, ...]:
    """Words of values that a message may name instead of the option."""
    values = [word for word in pair if not word.startswith('--')]
    return tuple(part for value in values for part in value.replace('.', '=').split('=') if len(part) > 2)


def _values(command: str, option: str, action: argparse.Action) -> Iterator[Case]:
    names = (option, option.lstrip('-').replace('-', '_'))
    case = partial(Case, command, 'option')
    kind = NUMBER_TYPES.get(getattr(action.type, '__qualname__', '').partition('.')[0], action.type)
    values = dict(VALUES.get(kind, {}))
    if option in NAMES:
        values |= {'nonesuch': REFUSED, '': REFUSED}
    if option in FOLDER_LIKE:
        values |= {'no/such/folder': REFUSED, 'base.pth': REFUSED, '': REFUSED}
    if option == '--gpus':
        # Other processes are started by torchrun, which runs in no fork.
        values.pop('9' * 30)
    for value, expects in values.items():
        yield case(f'{option}={value[:20]}', _changed(command, option, value), expects=expects,
                   names=(*names, value) if value else names)
    misspelled = option[:3] + option[4:]
    yield case(f'{misspelled} for {option}', (*CALLS[command], misspelled), names=(option, misspelled))
    if action.nargs == 0:
        yield case(f'{option}=yes', (*CALLS[command], f'{option}=yes'), names=names)
    else:
        yield case(f'{option} without value', (*CALLS[command], option), names=names,
                   expects=EITHER if action.nargs == '*' or option in ('--eval', '--heads') else REFUSED)


def _words(command: str) -> Iterator[Case]:
    """Words that are missing, too many, or nothing."""
    case = partial(Case, command, 'option')
    words = CALLS[command]
    yield case('without words', words[:1], expects=EITHER if command in ('app', 'models', 'datasets') else REFUSED)
    yield case('with an unknown option', (*words, '--nonesuch', '3'), names=('--nonesuch', ))
    if command not in ('models', 'datasets'):
        yield case('with a word too many', (*words[:1], 'x', 'y', 'z', *words[1:]))
        yield case('with an empty model', _instead(words, ''))
        yield case('with a model of no name', _instead(words, 'no_such_model'), names=('no_such_model', ))
        yield case('with an image for a config', _instead(words, 'images/1.png'), names=('1.png', ))
        yield case('with a checkpoint of a long name', tuple(LONG if word == 'base.pth' else word for word in words),
                   expects=EITHER if command == 'sweep' else REFUSED)
    if command == 'infer':
        for value in ('', 'nothing.png', '*.jpg', 'labels/../nowhere', 'base.pth', LONG, '/dev/null'):
            yield case(f'of {value[:20]!r}', (*words[:1], value, *words[2:]), names=(value[:20], ) if value else ())


def _instead(words: tuple[str, ...], model: str) -> tuple[str, ...]:
    return tuple(model if word in MODELS else word for word in words)


def _changed(call: str, *words: str) -> tuple[str, ...]:
    """The words of a call with these in place of the same option, or behind them."""
    own = list(CALLS[call])
    option = words[0]
    if option in own and option != '--cfg-options':
        start = own.index(option)
        end = next((index for index in range(start + 1, len(own)) if own[index].startswith('--')), len(own))
        del own[start:end]
    return (*own, *words)
