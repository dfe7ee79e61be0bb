from mmengine.config import Config

from mmseg_uncertainty.apis.default_heads import use_heads


def kept(names, **model):
    heads = dict(msp=dict(type='MSPHead'), energy=dict(type='EnergyHead'), fedu=dict(type='FlowEneDetHead'),
                 both=dict(type='SumOfScoresHead', heads=['energy', 'msp']))
    config = Config(dict(model=dict(type='PosthocSegmentor', uncertainty_heads=heads, **model)))
    use_heads(config, names)
    return config.model


def test_decisions_go_with_the_head_they_are_about():
    decisions = dict(sure=dict(head='msp'), strange=dict(head='fedu'))
    assert list(kept(['msp'], decisions=decisions).decisions) == ['sure']
    assert list(kept(['energy'], decisions=decisions).decisions) == []


def test_what_a_sum_or_the_calibrator_reads_stays():
    assert list(kept(['both']).uncertainty_heads) == ['both', 'energy', 'msp']
    assert list(kept(['msp'], calibrator=dict(type='SelectiveScaling', head='fedu')).uncertainty_heads) == ['msp', 'fedu']
    assert list(kept(['msp'], calibrator=dict(type='SelectiveScaling')).uncertainty_heads) == ['msp']
