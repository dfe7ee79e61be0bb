"""What results of a model are written with."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

from .flag_summary import plain_record
from .score_scale import ScoreScale


@dataclass(frozen=True)
class ModelFacts:
    """Names, colours and thresholds of a model.

    Args:
        classes: Names of the classes.
        palette: Their colours, RGB from 0 to 255.
        scales: Scale of each head.
        decisions: Record of each decision.
        provenance: Where config and weights come from.
        chosen: Heads whose threshold the user gave.
        options: What else the predictions depend on, in plain values.
    """

    classes: Sequence[str]
    palette: Sequence[Sequence[int]]
    scales: Mapping[str, ScoreScale]
    decisions: Mapping[str, Mapping]
    provenance: Mapping
    chosen: Sequence[str] = ()
    options: Mapping = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What pictures call the model."""
        return str(self.provenance.get('onnx') or self.provenance.get('checkpoint') or self.provenance.get('config') or '')

    def circumstances(self) -> dict:
        """All that a prediction depends on besides the image, in plain values."""
        scales = {key: asdict(scale) for key, scale in self.scales.items()}
        # By the names of the options, so that whoever changed one is told which.
        threshold = {key: dict(value=scale.pop('threshold'), chosen=key in self.chosen) for key, scale in scales.items()}
        return dict(self.options, model=dict(self.provenance), scales=scales, threshold=threshold,
                    decisions={key: plain_record(record) for key, record in self.decisions.items()})
