"""Scores of masks, written down once more in NumPy, pixel by pixel."""
import numpy as np
import pytest
import torch
from scipy.special import expit, softmax
from torch.testing import assert_close

from mmseg_uncertainty.functional.mask_scores import mask_anomaly, rejected_by_all

N, Q, K, SIZE = 2, 7, 4, (5, 6)


def queries(seed=0):
    generator = torch.Generator().manual_seed(seed)
    return 4 * torch.randn(N, Q, K + 1, generator=generator), 3 * torch.randn(N, Q, *SIZE, generator=generator)


def test_rba_is_the_sum_over_the_mass_of_the_classes():
    classes, masks = queries()
    p, m = softmax(classes.double().numpy(), axis=-1)[..., :-1], expit(masks.double().numpy())
    mass = np.einsum('nqk,nqhw->nkhw', p, m)
    found = rejected_by_all(torch.from_numpy(mass))
    np.testing.assert_allclose(found, -np.tanh(mass).sum(axis=1))
    assert (found >= -K).all() and (found <= 0).all()
    assert (rejected_by_all(torch.from_numpy(2 * mass)) < found).all()


@pytest.mark.parametrize('confidence', [0.4, 0.7, 0.9])
@pytest.mark.parametrize('border', [None, 0.1, 0.5])
@pytest.mark.parametrize('anomalous', [(), (2, 5)])
def test_maskomaly_is_its_formula(confidence, border, anomalous):
    classes, masks = queries()
    p, m = softmax(classes.double().numpy(), axis=-1), expit(masks.double().numpy())
    expected = np.zeros((N, *SIZE))
    for n, row, column in np.ndindex(expected.shape):
        best, over = 1.0, 0
        for q in range(Q):
            known = p[n, q].argmax() != K
            if known and p[n, q].max() > confidence:
                best = min(best, 1 - m[n, q, row, column] * p[n, q].max())
            over += known and border is not None and m[n, q, row, column] > border
        best = 0.0 if over > 1 else best
        if anomalous:
            best = 0.6 * best + 0.4 * max(m[n, q, row, column] * p[n, q].max() for q in anomalous)
        expected[n, row, column] = best
    np.testing.assert_allclose(mask_anomaly(classes, masks, confidence, border, anomalous), expected, rtol=1e-4, atol=1e-6)


def test_the_order_of_queries_changes_nothing_and_no_sure_query_rejects_everything():
    classes, masks = queries()
    order = torch.randperm(Q, generator=torch.Generator().manual_seed(1))
    assert_close(mask_anomaly(classes[:, order], masks[:, order]), mask_anomaly(classes, masks))
    assert torch.equal(mask_anomaly(torch.zeros(1, Q, K + 1), masks[:1], border=None), torch.ones(1, *SIZE))
