"""What of a pass is kept, and that what is found is what was computed."""
from types import SimpleNamespace

import torch
from torch.nn import functional as F

from mmseg_uncertainty.models.bases.cached_pass import cached_pass


class Base:
    """Doubles its input where the classifier works, at half the size."""

    frozen = SimpleNamespace(precision=None)

    def __call__(self, inputs, metas, layers=()):
        native = 2 * F.avg_pool2d(inputs, 2)
        return SimpleNamespace(scores=self.at_input_size(native, inputs.shape[2:], metas), native=native, features=native + 1)

    def at_input_size(self, native, size, metas):
        return F.interpolate(native, size=tuple(size))


class Cache:
    """Computes always and remembers what it was asked."""

    def __call__(self, inputs, names, circumstances, run):
        self.names, self.circumstances, self.maps = names, circumstances, run(inputs)
        return self.maps

    def reproduces(self, resized, scores):
        return torch.equal(resized, scores)


def test_scores_that_the_base_repeats_are_not_kept_and_come_out_the_same():
    base, cache, inputs = Base(), Cache(), torch.randn(2, 3, 4, 8)
    passed, expected = cached_pass(base, cache, 'features', inputs, [{}] * 2), base(inputs, [{}] * 2)
    assert cache.names == ['logits', 'native_logits', 'features'] == list(cache.maps) and cache.maps['logits'] is None
    for found, right in zip((passed.scores, passed.native, passed.features),
                            (expected.scores, expected.native, expected.features)):
        assert torch.equal(found, right)


def test_size_and_precision_tell_outputs_apart():
    base, cache, inputs = Base(), Cache(), torch.randn(1, 3, 4, 8)
    asked = []
    for precision, values in ((None, inputs), (None, inputs.double()), (torch.bfloat16, inputs), (None, inputs[..., :6])):
        base.frozen = SimpleNamespace(precision=precision)
        cached_pass(base, cache, None, values, [{}])
        asked.append(cache.circumstances)
    with torch.autocast('cpu', torch.bfloat16):
        cached_pass(base, cache, None, inputs, [{}])
    assert asked == ['(4, 8) torch.float32', '(4, 8) torch.float64', '(4, 8) torch.bfloat16', '(4, 6) torch.float32']
    assert cache.circumstances == asked[2]
