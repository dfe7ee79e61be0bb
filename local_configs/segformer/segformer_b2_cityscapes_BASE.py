_base_ = ['mmseg::segformer/segformer_mit-b2_8xb1-160k_cityscapes-1024x1024.py']
