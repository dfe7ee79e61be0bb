"""Every dataset that the package reads: where it comes from, how it lies on disk, and what of it is missing."""
from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from .image_checks import IMAGE_SUFFIXES

NOT_STATED = 'none found; ask the authors'


@dataclass(frozen=True)
class Part:
    """A folder of a dataset.

    Args:
        folder: Below the folder of all data.
        files: Number of images or labels in it and its sub-folders, ``None`` where any will do.
        needed: Whether nothing can be measured without it; hidden labels are not needed.
    """

    folder: str
    files: int | None = None
    needed: bool = True


@dataclass(frozen=True)
class Dataset:
    """One dataset.

    Args:
        title: What it is called.
        configs: Names of its configs, for ``--test-dataset``.
        layout: How its files are named below the folder of all data.
        link: Where it comes from.
        licence: Its terms, as far as its authors state them.
        size: Number of images.
        parts: Folders that must be there.
    """

    title: str
    configs: tuple[str, ...]
    layout: str
    link: str
    licence: str
    size: str
    parts: tuple[Part, ...]


def _pair(root: str, images: str, labels: str, files: int | None = None) -> tuple[Part, Part]:
    return Part(f'{root}/{images}', files), Part(f'{root}/{labels}', files)


_CITYSCAPES = 'own terms: research, not commercial, no passing on'
_LOST_AND_FOUND = 'own terms: research, not commercial, no passing on'
_SMIYC_LINK = 'https://segmentmeifyoucan.com/datasets'
_BRAVO_CONFIGS = ('bravo_acdc_fog', 'bravo_acdc_night', 'bravo_acdc_rain', 'bravo_acdc_snow', 'bravo_smiyc', 'bravo_outofcontext',
                  'bravo_synflare', 'bravo_synobjs', 'bravo_synobjs_ood', 'bravo_synrain')

CATALOG = (
    Dataset('Fishyscapes Lost and Found, validation', ('fs_lost_found', ), 'fs_lost_found/{images,labels}/X.png, by the converter',
            'https://fishyscapes.com/dataset', 'that of Lost and Found', '100 images',
            _pair('fs_lost_found', 'images', 'labels', 100)),
    Dataset('Fishyscapes Static, validation, version 3', ('fs_static', ), 'fs_static/{images,labels}/X.png, by the converter',
            'https://fishyscapes.com/dataset', 'that of Cityscapes', '30 images', _pair('fs_static', 'images', 'labels', 30)),
    Dataset('RoadAnomaly', ('road_anomaly', ), 'road_anomaly/{images,labels}/X, by the converter',
            'https://www.epfl.ch/labs/cvlab/data/road-anomaly', NOT_STATED, '60 images',
            _pair('road_anomaly', 'images', 'labels', 60)),
    Dataset('SegmentMeIfYouCan, RoadAnomaly21', ('smiyc_anomaly', ),
            'dataset_AnomalyTrack/{images/X.jpg,labels_masks/X_labels_semantic.png}', _SMIYC_LINK,
            'see the page and the download', '110 images, 10 with labels',
            (Part('dataset_AnomalyTrack/images', 110), Part('dataset_AnomalyTrack/labels_masks'))),
    Dataset('SegmentMeIfYouCan, RoadObstacle21', ('smiyc_obstacle', ),
            'dataset_ObstacleTrack/{images/X.webp,labels_masks/X_labels_semantic.png}', _SMIYC_LINK,
            'see the page and the download', '412 test images, 30 with labels',
            (Part('dataset_ObstacleTrack/images', 442), Part('dataset_ObstacleTrack/labels_masks'))),
    Dataset('SegmentMeIfYouCan, Lost and Found', ('smiyc_lost_and_found', ),
            'dataset_LostAndFound/{leftImg8bit,gtCoarse}/test/SCENE/X_{leftImg8bit,gtCoarse_labelIds}.png',
            'http://www.6d-vision.com/lostandfounddataset', _LOST_AND_FOUND, '1,203 images, 1,043 of them count',
            (Part('dataset_LostAndFound/leftImg8bit/test', 1203), Part('dataset_LostAndFound/gtCoarse/test'))),
    Dataset('Lost and Found', ('lost_and_found', ),
            'lost_and_found/{leftImg8bit,gtCoarse}/{train,test}/SCENE/X_{leftImg8bit,gtCoarse_labelIds}.png',
            'http://www.6d-vision.com/lostandfounddataset', _LOST_AND_FOUND, '1,203 test images, 1,036 training images',
            (Part('lost_and_found/leftImg8bit/test', 1203), Part('lost_and_found/gtCoarse/test'))),
    Dataset('StreetHazards', ('street_hazards', ), 'street_hazards/test/{images,annotations}/test/TOWN/X.png',
            'https://github.com/hendrycks/anomaly-seg', NOT_STATED, '1,500 test images, 5,125 and 1,031 without anomalies',
            _pair('street_hazards/test', 'images/test', 'annotations/test', 1500)),
    Dataset('ADE-OoD', ('ade_ood', ), 'ADE-OoD/{images/X.jpg,annotations/X_mask.png}', 'https://ade-ood.github.io',
            'those of ADE20K and OpenImages', 'see the link', _pair('ADE-OoD', 'images', 'annotations')),
    Dataset('BDD-Anomaly', ('bdd_anomaly', ),
            'bdd100k/{images/10k,labels/sem_seg/masks}/{train,val}/X and bdd_anomaly_test.txt by the converter; seg/… as well',
            'https://bdd-data.berkeley.edu', 'own terms: research and education', '810 of 8,000 images',
            (Part('bdd100k', 16000), )),
    Dataset('MUAD', ('muad', ), 'MUAD/ood/{leftImg8bit,leftLabel}/X.png', 'https://muad-dataset.github.io',
            'own terms: not commercial', '3,420 training images, 492 of validation, 6,501 of all tests',
            _pair('MUAD/ood', 'leftImg8bit', 'leftLabel')),
    Dataset('BRAVO', _BRAVO_CONFIGS, 'bravo/bravo_SUBSET/…/X.png; ground truth in bravo/bravo_GT/bravo_SUBSET',
            'https://benchmarks.elsa-ai.eu/?ch=1', 'those of ACDC, Cityscapes and SegmentMeIfYouCan',
            'ACDC 2,000; outofcontext 329; synflare 308; synobjs 656; synrain 500; SMIYC',
            (Part('bravo/bravo_ACDC', 2000), Part('bravo/bravo_SMIYC'), Part('bravo/bravo_outofcontext', 329),
             Part('bravo/bravo_synflare', 308), Part('bravo/bravo_synobjs', 656), Part('bravo/bravo_synrain', 500),
             Part('bravo/bravo_GT', needed=False))),
    Dataset('Cityscapes', ('cityscapes', 'cityscapes_1024x1024', 'cityscapes_frankfurt'),
            'cityscapes/{leftImg8bit,gtFine}/val/CITY/X_{leftImg8bit,gtFine_labelTrainIds}.png', 'https://www.cityscapes-dataset.com',
            _CITYSCAPES, '500 validation images, 2,975 training images',
            (Part('cityscapes/leftImg8bit/val', 500), Part('cityscapes/gtFine/val'))),
    Dataset('ACDC', ('acdc', 'acdc_fog', 'acdc_night', 'acdc_rain', 'acdc_snow'),
            'acdc/{rgb_anon,gt}/CONDITION/{train,val}/SCENE/X', 'https://acdc.vision.ee.ethz.ch', 'own terms: not commercial',
            '1,600 training and 406 validation images with labels', (Part('acdc/rgb_anon'), Part('acdc/gt'))),
    Dataset('IDD', ('idd', 'idd_novel'), 'idd/{leftImg8bit,gtFine}/{train,val}/DRIVE/X', 'https://idd.insaan.iiit.ac.in',
            'own terms: research', 'see the link', (Part('idd/leftImg8bit/val'), Part('idd/gtFine/val'))),
    Dataset('IDD-lite', ('idd_lite', 'idd_lite_for_camvid', 'idd_lite_for_cityscapes'), 'idd_lite/{images,labels}/{train,val}/X',
            'https://idd.insaan.iiit.ac.in', 'own terms: research', '204 validation images, 1,403 training images',
            _pair('idd_lite', 'images/val', 'labels/val', 204)),
    Dataset('CamVid', ('camvid', 'camvid_240x180', 'camvid_as_cityscapes'),
            'camvid/{train,val,test} and camvid/{train,val,test}annot', 'http://mi.eng.cam.ac.uk/research/projects/VideoRec/CamVid',
            NOT_STATED, '233 test images, 101 of validation, 367 of training',
            _pair('camvid', 'test', 'testannot', 233)),
    Dataset('ADE20K', ('ade20k_calibration', ), 'ADEChallengeData2016/{images,annotations}/validation/X',
            'http://sceneparsing.csail.mit.edu', 'images: own terms, research; labels: BSD-3', '2,000 validation images',
            _pair('ADEChallengeData2016', 'images/validation', 'annotations/validation', 2000)),
    Dataset('LoveDA', ('loveda_calibration', ), 'loveDA/{img_dir,ann_dir}/val/X.png, by the converter of mmseg',
            'https://github.com/Junjue-Wang/LoveDA', 'own terms: not commercial', '1,669 validation images',
            _pair('loveDA', 'img_dir/val', 'ann_dir/val', 1669)),
    Dataset('COCO, persons', ('coco_person', 'coco_person_calibration'),
            'coco_person/{train,val,calibration,test}/{images,labels}/X, by the converter', 'https://cocodataset.org',
            'images: terms of Flickr; labels: CC BY 4.0', 'chosen by the converter',
            _pair('coco_person/test', 'images', 'labels')),
    Dataset('Stanford 2D-3D-S', ('s3dis_2d', ), 's3dis_2d/area_AREA/data/{rgb,semantic}/X.png and s3dis_2d/assets',
            'https://github.com/alexsax/2D-3D-Semantics', 'own terms, on registration', 'see the link',
            (Part('s3dis_2d/area_1/data/rgb'), Part('s3dis_2d/area_1/data/semantic'), Part('s3dis_2d/assets'))),
    Dataset('ToyRoads', ('toy_roads', 'toy_roads_anomaly'), 'rendered from a seed', 'comes with the package', 'Apache-2.0',
            'as many as asked for', ()),
)


def missing_of(dataset: Dataset, root: str | Path) -> list[str]:
    """What of a dataset is not below a folder, in words; empty where all is there.

    Raises:
        OSError: A folder cannot be read.

    Examples:
        >>> toy = Dataset('Toy', (), '', '', '', '', (Part('no_such_folder/images', 3), ))
        >>> missing_of(toy, '.')
        ['no_such_folder/images']
    """
    missing = []
    for part in dataset.parts:
        folder = Path(root) / part.folder
        if not part.needed:
            continue
        if not folder.is_dir():
            missing.append(part.folder)
        elif part.files is not None and (found := count_images(folder)) < part.files:
            missing.append(f'{part.files - found:,} of {part.files:,} files in {part.folder}')
    return missing


def count_images(folder: str | Path) -> int:
    """Number of image files in a folder and its sub-folders, linked ones too."""
    return sum(name.lower().endswith(IMAGE_SUFFIXES) for _, _, names in os.walk(folder, followlinks=True) for name in names)
