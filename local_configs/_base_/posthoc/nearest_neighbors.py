# Distance of features to the nearest of a sample of calibration features.
heads = dict(knn=dict(type='NearestNeighborHead'))
