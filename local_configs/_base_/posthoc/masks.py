# Scores of mask transformers, from the masks of their queries. Use as
# `model = dict(type='PosthocSegmentor', uncertainty_heads=_base_.heads)`.
heads = dict(
    msp=dict(type='MSPHead'),
    energy=dict(type='EnergyHead'),
    rba=dict(type='RbAHead'),
    maskomaly=dict(type='MaskomalyHead'))
