# Two kinds of evidence in one score: nearest neighbours of features, joined with the energy of the logits.
heads = dict(
    energy=dict(type='EnergyHead'),
    knn=dict(type='NearestNeighborHead'),
    knn_energy=dict(type='SumOfScoresHead', heads=['knn', 'energy']))
