"""Lists of images that labelling tools read, without annotations."""
from __future__ import annotations

import csv
import os
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

from mmseg_uncertainty.runtime.json_files import write_json
from mmseg_uncertainty.runtime.output_files import whole_file

from .image_ranking import RankedImage


def write_lists(folder: Path, root: Path, ranked: Sequence[RankedImage], chosen: Sequence[RankedImage],
                classes: Sequence[str], statistic: str) -> None:
    """Write ``ranking.csv`` of all images, and ``chosen.txt``, ``coco.json`` and ``cvat.xml`` of those to label.

    COCO's file is read by FiftyOne, Label Studio, Roboflow and CVAT; ``cvat.xml`` is "CVAT for images 1.1".

    Args:
        folder: Where to write.
        root: Folder that names of images are relative to.
        ranked: All images, the strangest first.
        chosen: Images to label, in their order.
        classes: Names of the classes.
        statistic: Name of the statistic.
    """
    _write_csv(folder / 'ranking.csv', ranked, chosen, statistic)
    with whole_file(folder / 'chosen.txt') as partial:
        lines = ''.join(f'{image.source.content}\n' for image in chosen)
        partial.write_text(lines, encoding='utf-8', errors='surrogateescape')
    write_json(folder / 'coco.json', coco(root, chosen, classes, statistic))
    with whole_file(folder / 'cvat.xml') as partial:
        ElementTree.ElementTree(cvat(root, chosen, classes)).write(partial, encoding='utf-8', xml_declaration=True)


def coco(root: Path, chosen: Sequence[RankedImage], classes: Sequence[str], statistic: str) -> dict:
    """COCO's images and categories, without annotations; what ranks an image stands beside its size."""
    return dict(
        info=dict(description=f'Images to label, by {statistic}'), licenses=[],
        images=[dict(id=index, file_name=_name(image, root), height=image.size[0], width=image.size[1], rank=image.rank,
                     **{statistic: image.number}) for index, image in enumerate(chosen, start=1)],
        annotations=[],
        categories=[dict(id=index, name=name, supercategory='') for index, name in enumerate(classes, start=1)])


def cvat(root: Path, chosen: Sequence[RankedImage], classes: Sequence[str]) -> ElementTree.Element:
    """The tree of a task of CVAT: its labels, and its images without shapes."""
    tree = ElementTree.Element('annotations')
    ElementTree.SubElement(tree, 'version').text = '1.1'
    task = ElementTree.SubElement(ElementTree.SubElement(tree, 'meta'), 'task')
    for tag, text in (('name', 'images to label'), ('size', str(len(chosen))), ('mode', 'annotation')):
        ElementTree.SubElement(task, tag).text = text
    labels = ElementTree.SubElement(task, 'labels')
    for name in classes:
        label = ElementTree.SubElement(labels, 'label')
        ElementTree.SubElement(label, 'name').text = name
        ElementTree.SubElement(label, 'attributes')
    for index, image in enumerate(chosen):
        ElementTree.SubElement(tree, 'image', id=str(index), name=_name(image, root), width=str(image.size[1]),
                               height=str(image.size[0]))
    return tree


def _write_csv(path: Path, ranked: Sequence[RankedImage], chosen: Sequence[RankedImage], statistic: str) -> None:
    order = {image.rank: index for index, image in enumerate(chosen, start=1)}
    with whole_file(path) as partial, partial.open('w', newline='', encoding='utf-8', errors='surrogateescape') as file:
        writer = csv.writer(file)
        writer.writerow(['rank', 'image', statistic, 'height', 'width', 'label_order'])
        writer.writerows([image.rank, image.source.content, image.number, *image.size, order.get(image.rank, '')]
                         for image in ranked)


def _name(image: RankedImage, root: Path) -> str:
    return Path(os.path.relpath(image.source.content, root)).as_posix()
