"""Several checkpoints of one config as one frozen segmentor."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from mmseg.registry import MODELS
from torch import Tensor

from mmseg_uncertainty.functional.ensembles import EnsembleStatistics
from mmseg_uncertainty.models.decode_heads import EnsembleHead
from mmseg_uncertainty.models.utils import MASK_HEADS, MemberWeights

from .posthoc_segmentor import PosthocSegmentor


@MODELS.register_module()
class EnsembleSegmentor(PosthocSegmentor):
    """Average the class probabilities of several models, and score their mean and their disagreement.

    The checkpoint that the run loads is the first member; ``members`` names the others. They run one after the other on
    each batch or window, and only sums are kept. ``seg_logits`` are the logarithms of the mean probabilities, so that their
    softmax is the mean; scores, calibrators and prediction sets read them as those of any model.
    :class:`~mmseg_uncertainty.models.decode_heads.EnsembleHead` scores the disagreement. Heads that run where the
    classifier works, and those that read features, see the first member alone.

    Args:
        members: Checkpoints of the other members, for the same config.
        keep: ``'all'`` keeps the weights of all members in memory, on the device of the model; ``'one'`` holds those of the
            first and of the one that runs, and reads the latter's file for every batch.
        options: See :class:`PosthocSegmentor`.

    Raises:
        ValueError: There is no second member, or ``keep`` is unknown.
    """

    def __init__(self, members: Sequence[str], keep: str = 'all', **options) -> None:
        super().__init__(**options)
        if isinstance(members, str) or not members:
            raise ValueError(f'EnsembleSegmentor: members={members!r} must list the checkpoints of the other members, at '
                             'least one; the first member is the checkpoint that the run loads.')
        self.members = MemberWeights(self, [partial(self._base_weights, path) for path in members], keep)

    def _base_weights(self, path: str) -> Mapping[str, Tensor]:
        from mmseg_uncertainty.engine.checkpoints import check_fit, is_base, read_checkpoint, state_dict_of
        state = state_dict_of(read_checkpoint(path))
        check_fit(self, state, path, need_heads=False)
        own = self.state_dict(keep_vars=True)
        return {key: value for key, value in state.items() if is_base(key) and key in own}

    def _base_encode_decode(self, inputs: Tensor, batch_img_metas: list[dict]) -> Tensor:
        together, native = EnsembleStatistics(), EnsembleStatistics()
        scores = super()._base_encode_decode(inputs, batch_img_metas)
        first = self._tap.read(scores)
        self._add(scores, first[0], together, native)
        for member in range(len(self.members)):
            with self.members.of(member):
                scores = self._run_base(inputs, batch_img_metas)
            self._add(scores, self._tap.read(scores)[0], together, native)
        for head in self._ensemble_heads():
            head.take(native)
        self._tap.hold(*first)
        return self._as_scores(together.mean()).to(scores)

    def _add(self, scores: Tensor, native_scores: Tensor, together: EnsembleStatistics,
             native: EnsembleStatistics) -> None:
        together.add(self.class_logits(scores))
        if self._ensemble_heads():
            native.add(self.class_logits(native_scores))

    def _ensemble_heads(self) -> list[EnsembleHead]:
        return [head for head in self.uncertainty_heads.values() if isinstance(head, EnsembleHead)]

    def _as_scores(self, probabilities: Tensor) -> Tensor:
        """Mean probabilities in the form in which the base model gives its output."""
        if isinstance(self._last_decode_head, MASK_HEADS):
            return probabilities
        logits = probabilities.clamp_min(1e-300).log()
        return logits[:, 1:] - logits[:, :1] if self._last_decode_head.out_channels == 1 else logits
