# The mean of several checkpoints and their disagreement. Use as
# `model = dict(type='EnsembleSegmentor', members=['2.pth', '3.pth'], uncertainty_heads=_base_.heads)`.
heads = dict(
    msp=dict(type='MSPHead'),
    entropy=dict(type='EntropyHead'),
    mutual_information=dict(type='EnsembleHead', measure='mutual_information'))
