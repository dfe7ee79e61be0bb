"""Files that are not what they should be."""
from __future__ import annotations

import os
import pickle
import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import cv2
import numpy as np
import torch

from .case import EITHER, REFUSED, SAME, Case
from .sound import CALLS, INPUTS

PAGE = b'<!DOCTYPE html>\n<html><head><title>404</title></head><body>Not found</body></html>\n'
POINTER = b'version https://git-lfs.github.com/spec/v1\noid sha256:' + b'0' * 64 + b'\nsize 12345\n'
ODD_NAME = 'größe b#1 %20'
RAN = 'this-ran'
Change = Callable[[Path, Random], None]


def file_cases() -> Iterator[Case]:
    """Every input of every call, broken in every way that its kind knows."""
    for call, inputs in INPUTS.items():
        for kind, name in inputs.items():
            for what, change, expects in (*_ANY, *_KINDS.get(kind, ())):
                # What trains for one iteration draws two of six images.
                drawn = kind in ('image', 'label') and call in ('train', 'fit_flow')
                sure = kind not in _MAY_BE_RIGHT.get(what, (kind, )) and not drawn
                expects = EITHER if drawn else expects
                yield Case(call, 'file', f'{kind} {what}', CALLS[call], _on(name, change), REFUSED if sure else expects,
                           (Path(name).name, ), dict(own_rights=True) if 'locked' in what else {})
            yield _renamed(call, kind, name)
            if '/' in name:
                yield from _folders(call, kind, name.partition('/')[0])


def _on(name: str, change: Change) -> Change:
    return lambda folder, random: change(folder / name, random)


def _renamed(call: str, kind: str, name: str) -> Case:
    """The same file under an odd name; nothing changes but the words."""
    odd = str(Path(name).with_stem(ODD_NAME))
    words = tuple(odd if word == name else word for word in CALLS[call])

    def rename(folder: Path, random: Random) -> None:
        # An image and its labels have one stem.
        for other in ('images', 'labels') if '/' in name else ('', ):
            path = folder / name.replace('images', other).replace('labels', other) if other else folder / name
            path.rename(path.with_stem(ODD_NAME))
        for path in folder.glob('*.yaml'):
            path.write_text(path.read_text().replace(name, odd))

    return Case(call, 'file', f'{kind} has an odd name', words, rename, SAME if kind != 'image' else EITHER)


def _folders(call: str, kind: str, name: str) -> Iterator[Case]:
    """The folder that holds images or labels, broken."""
    for what, change, expects in _FOLDERS:
        yield Case(call, 'file', f'folder of {kind}s {what}', CALLS[call], _on(name, change), expects, (name, ))


def _write(content: bytes | Callable[[Random], bytes]) -> Change:
    return lambda path, random: _replace(path, content(random) if callable(content) else content)


def _replace(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def _cut(path: Path, random: Random) -> None:
    content = path.read_bytes()
    path.write_bytes(content[:random.randrange(1, max(len(content) * 9 // 10, 2))])


def _spoil(path: Path, random: Random) -> None:
    content = bytearray(path.read_bytes())
    for _ in range(max(len(content) // 50, 4)):
        content[random.randrange(len(content))] = random.randrange(256)
    path.write_bytes(bytes(content))


def _folder(path: Path, random: Random) -> None:
    path.unlink()
    path.mkdir()


def _loop(path: Path, random: Random) -> None:
    path.unlink()
    path.symlink_to(path.name)


def _link(path: Path, random: Random) -> None:
    real = path.parent.parent / f'real-{path.name}'
    path.rename(real)
    path.symlink_to(real.resolve())


def _zero_size(random: Random) -> bytes:
    return _png_header(0, 0)


def _png_header(width: int, height: int) -> bytes:
    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack('>I', len(content)) + name + content + struct.pack('>I', zlib.crc32(name + content))

    return (b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', struct.pack('>IIBBBBB', width, height, 8, 2, 0, 0, 0))
            + chunk(b'IDAT', zlib.compress(b'\0' * 100)) + chunk(b'IEND', b''))


def _as_image(change: Callable[[np.ndarray], np.ndarray], suffix: str = '.png') -> Change:
    def write(path: Path, random: Random) -> None:
        image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        path.write_bytes(cv2.imencode(suffix, change(image))[1].tobytes())

    return write


def _with_alpha(image: np.ndarray) -> np.ndarray:
    return np.dstack([image, np.full(image.shape[:2], 128, np.uint8)])


def _state(change: Callable[[dict], object]) -> Change:
    def write(path: Path, random: Random) -> None:
        checkpoint = torch.load(path, weights_only=True)
        torch.save(change(checkpoint), path)

    return write


def _tensors(change: Callable[[str, torch.Tensor], torch.Tensor]) -> Callable[[dict], dict]:
    return lambda checkpoint: dict(checkpoint, state_dict={
        key: change(key, value) if value.is_floating_point() else value for key, value in checkpoint['state_dict'].items()})


class _Runs:
    def __reduce__(self):
        return os.mkdir, (RAN, )


def _pickled_code(path: Path, random: Random) -> None:
    torch.save(dict(state_dict=dict(weight=torch.zeros(1)), meta=_Runs()), path)


def _old_pickle(path: Path, random: Random) -> None:
    path.write_bytes(pickle.dumps(dict(state_dict=_Runs()), protocol=2))


def _foreign_graph(path: Path, random: Random) -> None:
    import onnx
    from onnx import TensorProto, helper
    value = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in 'xy']
    graph = helper.make_graph([helper.make_node('Identity', ['x'], ['y'])], 'other', value[:1], value[1:])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid('', 17)], ir_version=8), str(path))


def _other_folder(path: Path, random: Random) -> None:
    for file in path.iterdir():
        file.unlink()


def _file_for_folder(path: Path, random: Random) -> None:
    _other_folder(path, random)
    path.rmdir()
    path.write_text('a file')


def _gone(path: Path, random: Random) -> None:
    path.rename(path.with_name(f'{path.name}-elsewhere'))


def _pages_only(path: Path, random: Random) -> None:
    for file in path.iterdir():
        file.write_bytes(PAGE)


def _itself_inside(path: Path, random: Random) -> None:
    (path / 'again').symlink_to('..')


_ANY = (
    ('is missing', lambda path, random: path.unlink(), EITHER), ('is empty', _write(b''), REFUSED),
    ('is cut off', _cut, EITHER), ('holds random bytes', _write(lambda random: random.randbytes(5000)), REFUSED),
    ('is spoiled', _spoil, EITHER), ('is a web page', _write(PAGE), REFUSED),
    ('is a Git LFS pointer', _write(POINTER), REFUSED),
    ('is a folder', _folder, EITHER), ('is a link to itself', _loop, EITHER), ('is a link', _link, SAME),
    ('is locked', lambda path, random: path.chmod(0), EITHER))
# Kinds of files for which a breakage may leave something right.
_MAY_BE_RIGHT = {'is missing': ('image', ), 'is cut off': ('config', 'plan', 'classes'), 'is a folder': ('image', ),
                 'is a link to itself': ('image', ), 'is locked': ()}
_IMAGES = (
    ('has no size', _write(_zero_size), REFUSED), ('claims 60000 x 60000', _write(_png_header(60000, 60000)), REFUSED),
    ('is a text', _write(b'P3 is what I am not\n'), REFUSED),
    ('has 16 bits', _as_image(lambda image: image.astype(np.uint16) * 257), EITHER),
    ('has one pixel', _as_image(lambda image: image[:1, :1]), EITHER),
    ('is a float TIFF', _as_image(lambda image: image.astype(np.float32), '.tiff'), REFUSED))
_KINDS = dict(
    image=(*_IMAGES, ('has an alpha channel', _as_image(_with_alpha), SAME), ('is a JPEG', _as_image(np.copy, '.jpg'), EITHER),
           ('is grey', _as_image(lambda image: image[..., 0]), EITHER)),
    label=(*_IMAGES[:3], _IMAGES[4], _IMAGES[5],
           ('has 16 bits', _as_image(lambda image: image.astype(np.uint16)), EITHER),
           ('has 16 bits and large values', _as_image(lambda image: image.astype(np.uint16) * 300), REFUSED),
           ('is in colour', _as_image(lambda image: np.dstack([image, image + 1, image])), REFUSED),
           ('has an alpha channel', _as_image(lambda image: _with_alpha(np.dstack([image] * 3))), EITHER),
           ('has another size', _as_image(lambda image: image[:48]), REFUSED),
           ('has unknown values', _as_image(lambda image: image // 2 + 77), REFUSED),
           ('is all void', _as_image(lambda image: np.full_like(image, 255)), EITHER)),
    checkpoint=(
        ('runs code', _pickled_code, REFUSED), ('is an old pickle that runs code', _old_pickle, REFUSED),
        ('has weights that are no numbers', _state(_tensors(lambda key, value: value * float('nan'))), REFUSED),
        ('has a tensor that is no number', _state(_tensors(
            lambda key, value: value * float('nan') if key.endswith('conv_seg.weight') else value)), REFUSED),
        ('has infinite weights', _state(_tensors(lambda key, value: value / 0)), REFUSED),
        ('is of more classes', _state(_tensors(
            lambda key, value: torch.cat([value] * 2) if 'conv_seg' in key else value)), REFUSED),
        ('is of another model', _state(lambda checkpoint: dict(state_dict={'layer.weight': torch.ones(3)})), REFUSED),
        ('has no tensors', _state(lambda checkpoint: {}), REFUSED), ('is a list', _state(lambda checkpoint: [1, 2]), REFUSED),
        ('is a tensor', _state(lambda checkpoint: torch.ones(3)), REFUSED),
        ('has a list for tensors', _state(lambda checkpoint: dict(state_dict=[torch.ones(3)])), REFUSED),
        ('has texts for tensors', _state(
            lambda checkpoint: dict(state_dict=dict.fromkeys(checkpoint['state_dict'], 'x'))), REFUSED),
        ('has numbers for keys', _state(lambda checkpoint: dict(state_dict={1: torch.ones(3)})), REFUSED),
        ('says nothing of itself', _state(lambda checkpoint: dict(checkpoint, meta=None)), SAME),
        ('is of tensors alone', _state(lambda checkpoint: checkpoint['state_dict']), SAME),
        ('says nonsense of itself', _state(
            lambda checkpoint: dict(checkpoint, meta=dict(dataset_meta='x', base_weights=3))), EITHER),
        ('names a missing base', _state(lambda checkpoint: dict(checkpoint, meta=dict(base_weights='no.pth'))), EITHER),
        ('was parallel', _state(lambda checkpoint: dict(
            state_dict={f'module.{key}': value for key, value in checkpoint['state_dict'].items()})), SAME),
        ('is in half precision', _state(_tensors(lambda key, value: value.half())), EITHER),
        ('has complex weights', _state(_tensors(lambda key, value: value.to(torch.complex64))), REFUSED)),
    onnx=(('is of another tool', _foreign_graph, REFUSED), ),
    classes=(('has too few names', _write(b'road\nsky\n'), REFUSED),
             ('has blank lines', _write(b'road\n\ngrass\nsky\n\nhouse\n\n'), SAME),
             ('has a name twice', _write(b'road\nroad\nsky\nhouse\n'), EITHER),
             ('is UTF-16', _write('road\ngrass\nsky\nhouse\n'.encode('utf-16')), EITHER),
             ('has a byte order mark', _write(b'\xef\xbb\xbfroad\ngrass\nsky\nhouse\n'), SAME)))
_FOLDERS = (('is empty', _other_folder, REFUSED), ('is a file', _file_for_folder, REFUSED), ('is missing', _gone, REFUSED),
            ('holds web pages only', _pages_only, REFUSED), ('holds a link to its parent', _itself_inside, EITHER))
