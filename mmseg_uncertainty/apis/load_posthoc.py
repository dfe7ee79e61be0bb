"""Build a posthoc model from a config and fill it from a checkpoint."""
from __future__ import annotations

from pathlib import Path

from mmengine.config import Config, ConfigDict
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS

from mmseg_uncertainty.engine.checkpoints import check_filled, check_fit, meta_of, read_checkpoint, state_dict_of
from mmseg_uncertainty.engine.usual_ranges import kept_ranges
from mmseg_uncertainty.models import PosthocSegmentor

from .config_files import load_config, model_of, type_name
from .dataset_meta import dataset_meta
from .devices import checked_device
from .results_file import checkpoint_facts

DEFAULT_HEADS = dict(
    msp=dict(type='MSPHead'), energy=dict(type='EnergyHead'), entropy=dict(type='EntropyHead'),
    margin=dict(type='MarginHead'))
POSTHOC_SEGMENTORS = ('PosthocSegmentor', 'EnsembleSegmentor')
PLAIN_SEGMENTORS = ('EncoderDecoder', 'CascadeEncoderDecoder')


def load_posthoc(config: str | Path | Config | ConfigDict,
                 checkpoint: str | Path | None = None,
                 device: str = 'cpu') -> PosthocSegmentor:
    """Load a model for prediction.

    Args:
        config: Config, or its path. A plain segmentor gets :data:`DEFAULT_HEADS`, which need no fitting.
        checkpoint: File that fills the base model and all heads; ``None`` where the base model was filled when it was built
            and no head has to be fitted.
        device: Where to put the model.

    Returns:
        The model in evaluation mode with ``cfg``, ``dataset_meta`` (classes and palette), ``provenance`` (names of config
        and checkpoint, SHA-256 of the checkpoint) and ``calibrated_on`` (contents of the calibration set, or ``None``).

    Raises:
        CheckpointError: The checkpoint is unsafe, does not fit or is missing.
        ValueError: The config describes no segmentor.
    """
    init_default_scope('mmseg')
    path = str(config) if isinstance(config, (str, Path)) else None
    config, device = load_config(path) if path else config, checked_device(device)
    content = {} if checkpoint is None else read_checkpoint(checkpoint)
    model = revert_sync_batchnorm(MODELS.build(_posthoc(config, path)))
    if checkpoint is None:
        check_filled(model, path or config.get('filename'), need_heads=True)
    else:
        state = model.base.translated(state_dict_of(content))
        check_fit(model, state, str(checkpoint), need_heads=True)
        model.load_state_dict(state, strict=False)
    model.cfg = config
    model.dataset_meta = dataset_meta(model.num_classes, content, config, model.base.classes)
    model.provenance = dict(config=path, **checkpoint_facts(checkpoint, model))
    model.usual_ranges = kept_ranges(meta_of(content))
    model.calibrated_on = (meta_of(content).get('fitted_on') or {}).get('calibration')
    return model.to(device).eval()


def _posthoc(config: Config | ConfigDict, path: str | None) -> dict:
    model = model_of(config)
    kind = type_name(model.get('type'))
    if kind in PLAIN_SEGMENTORS:
        return dict(model, type='PosthocSegmentor', uncertainty_heads=DEFAULT_HEADS)
    if kind not in POSTHOC_SEGMENTORS:
        raise ValueError(f'{path or "The config"} describes the model {kind!r}, expected PosthocSegmentor '
                         f'or one of {PLAIN_SEGMENTORS}. Use a config of local_configs/ or of mmseg.')
    return model
