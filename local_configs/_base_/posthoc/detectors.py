# Further detectors of the literature: of logits, of features in front of the classifier, and of the classifier itself; MSP,
# entropy and energy beside them for comparison.
heads = dict(
    msp=dict(type='MSPHead'),
    entropy=dict(type='EntropyHead'),
    energy=dict(type='EnergyHead'),
    gen=dict(type='GENHead'),
    kl_matching=dict(type='KLMatchingHead'),
    mahalanobis_pp=dict(type='MahalanobisHead', normalize=True),
    relative_mahalanobis=dict(type='MahalanobisHead', relative=True),
    react=dict(type='ReActHead'),
    scale=dict(type='SCALEHead'),
    fdbd=dict(type='FDBDHead'),
    residual=dict(type='ResidualHead'),
    neco=dict(type='NECOHead'),
    pnml=dict(type='PNMLHead'))
