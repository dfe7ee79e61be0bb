"""What a module to fit has unless it says otherwise."""
from mmseg_uncertainty.models.fittable import Fittable


def test_one_stage_without_promise_or_shares():
    assert Fittable.stages == 1 and not Fittable.promises and not Fittable.shares
