"""Several checkpoints of one config as one frozen segmentor."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from mmseg.registry import MODELS
from torch import Tensor

from mmseg_uncertainty.functional.ensembles import EnsembleStatistics
from mmseg_uncertainty.models.bases import BasePass
from mmseg_uncertainty.models.decode_heads import EnsembleHead
from mmseg_uncertainty.models.utils import MemberWeights

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
        self.members = MemberWeights(self.base.network, [partial(self._base_weights, path) for path in members], keep)

    def _base_weights(self, path: str) -> Mapping[str, Tensor]:
        from mmseg_uncertainty.engine.checkpoints import check_fit, is_base, read_checkpoint, state_dict_of
        state = self.base.translated(state_dict_of(read_checkpoint(path)))
        check_fit(self, state, path, need_heads=False)
        own = self.base.network.state_dict(keep_vars=True)
        return {key: value for key, value in state.items() if is_base(key) and key in own}

    def pass_through(self, inputs: Tensor, metas: Sequence[Mapping]) -> BasePass:
        """One window through all members; see :meth:`PosthocSegmentor.pass_through`."""
        together, native = EnsembleStatistics(self.distribution), EnsembleStatistics(self.distribution)
        disagree = any(isinstance(head, EnsembleHead) for head in self.uncertainty_heads.values())
        first = super().pass_through(inputs, metas)
        passed = first
        for member in range(1 + len(self.members)):
            if member:
                passed = self.member_pass(member - 1, inputs, metas)
            together.add(self.distribution.class_logits(passed.scores))
            if disagree:
                native.add(self.distribution.class_logits(passed.native_scores))
        scores = self.distribution.scores(together.mean()).to(first.scores)
        return BasePass(scores, first.native_scores, first.features, native if disagree else None, first.layers)

    def member_pass(self, member: int, inputs: Tensor, metas: Sequence[Mapping]) -> BasePass:
        """One window through a member other than the first."""
        with self.members.of(member):
            return self.base(inputs, metas)
