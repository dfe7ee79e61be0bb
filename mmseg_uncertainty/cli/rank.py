"""Order the images of a folder by how much a label of each would teach."""
from __future__ import annotations

import argparse
import os
from pathlib import Path

import mmseg_uncertainty.registered  # noqa: F401  (connects the host before configs are read)

from mmseg_uncertainty.apis.contact_sheet import write_contact_sheets
from mmseg_uncertainty.apis.image_ranking import Measurements, choose_images
from mmseg_uncertainty.apis.image_statistics import check_statistic
from mmseg_uncertainty.apis.labelling_lists import write_lists
from mmseg_uncertainty.apis.measuring_engines import measure_parts, measurer
from mmseg_uncertainty.datasets import DatasetError
from mmseg_uncertainty.runtime.image_sources import find_images
from mmseg_uncertainty.runtime.output_files import check_output_folder


def execute(args: argparse.Namespace) -> None:
    """Run the command."""
    check_output_folder(args.out, '--out')
    sources = find_images(args.inputs)
    model = (args.model, args.checkpoint, args.device, args.skip_broken)
    own = measurer(*model)
    check_statistic(args.statistic, own.names)
    measurements = Measurements(args.out.resolve() / 'measured', own, sources)
    measure_parts(model, measurements.missing(), args.cluster, args.workers, args.cluster_options, args.out / 'cluster')
    ranked, features = measurements.ranked(args.statistic)
    if not ranked:
        raise DatasetError(f'{args.inputs}: none of the {len(sources)} files could be read. Leave out --skip-broken to see '
                           'why.')
    chosen = choose_images(ranked, features, args.top, args.diversity)
    root = Path(os.path.commonpath([image.source.content.parent for image in ranked]))
    write_lists(args.out, root, ranked, chosen, own.inferencer.classes, args.statistic)
    write_contact_sheets(args.out, chosen, own.inferencer, args.statistic)
    left_out = f', {len(sources) - len(ranked)} could not be read' if len(ranked) < len(sources) else ''
    print(f'{len(chosen)} of {len(ranked)} images chosen by {args.statistic}{left_out}; names in the lists are relative to '
          f'{root}; results: {args.out}')
