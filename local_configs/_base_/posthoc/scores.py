# Scores that need no fitting. Use as `model = dict(type='PosthocSegmentor', uncertainty_heads=_base_.heads)`.
heads = dict(
    msp=dict(type='MSPHead'),
    max_logit=dict(type='MaxLogitHead'),
    energy=dict(type='EnergyHead'),
    entropy=dict(type='EntropyHead'),
    margin=dict(type='MarginHead'))
