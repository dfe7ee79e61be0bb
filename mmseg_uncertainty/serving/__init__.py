"""An HTTP service that predicts images; of its own it needs neither torch nor MMSegmentation."""
