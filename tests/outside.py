"""The smallest networks of other libraries, with random weights."""
import torch
from torch import nn

CLASSES = 5
TASK_TOKENS = [1, 2, 3, 4, 0, 0, 0, 0]
_VISION = dict(image_size=64, patch_size=16, hidden_size=16, num_hidden_layers=4, num_attention_heads=2)
_UPER = dict(_VISION, intermediate_size=32, pool_scales=[1, 2], use_relative_position_bias=True)


def _swin():
    from transformers import SwinConfig
    return SwinConfig(image_size=64, patch_size=4, embed_dim=8, depths=[1] * 4, num_heads=[1, 1, 2, 2], window_size=2,
                      out_features=['stage1', 'stage2', 'stage3', 'stage4'])


def _convnext():
    from transformers import ConvNextConfig
    return ConvNextConfig(hidden_sizes=[8, 8, 16, 16], depths=[1] * 4, out_features=['stage1', 'stage2', 'stage3', 'stage4'])


def _detr():
    from transformers import DetrConfig
    return DetrConfig(d_model=32, encoder_layers=1, decoder_layers=1, encoder_attention_heads=2, decoder_attention_heads=2,
                      encoder_ffn_dim=16, decoder_ffn_dim=16, num_queries=7)


_MASKS = dict(encoder_layers=1, decoder_layers=2, num_attention_heads=2, num_queries=7)
TRANSFORMERS = {
    'Segformer': lambda: dict(
        num_encoder_blocks=4, depths=[1] * 4, sr_ratios=[8, 4, 2, 1], hidden_sizes=[8, 8, 16, 16],
        num_attention_heads=[1, 1, 2, 2], mlp_ratios=[2] * 4, decoder_hidden_size=16),
    'UperNet': lambda: dict(
        backbone_config=_convnext(), hidden_size=16, pool_scales=[1, 2], auxiliary_channels=8, auxiliary_in_channels=16),
    'Beit': lambda: dict(_UPER, out_indices=[1, 2, 3, 4]),
    'Data2VecVision': lambda: dict(_UPER, out_indices=[0, 1, 2, 3]),
    'DPT': lambda: dict(
        _VISION, intermediate_size=32, backbone_out_indices=[0, 1, 2, 3], neck_hidden_sizes=[8] * 4, fusion_hidden_size=8,
        is_hybrid=False),
    'MobileViT': lambda: dict(
        image_size=64, hidden_sizes=[8] * 3, neck_hidden_sizes=[8] * 7, num_attention_heads=2, aspp_out_channels=8),
    'MobileViTV2': lambda: dict(
        image_size=64, width_multiplier=0.25, base_attn_unit_dims=[16] * 3, n_attn_blocks=[1] * 3, aspp_out_channels=8),
    'MobileNetV2': lambda: dict(depth_multiplier=0.25),
    'Mask2Former': lambda: dict(
        _MASKS, backbone_config=_swin(), feature_size=32, mask_feature_size=32, hidden_dim=32, encoder_feedforward_dim=16,
        dim_feedforward=16),
    'MaskFormer': lambda: dict(
        fpn_feature_size=32, mask_feature_size=32, backbone_config=_swin(), decoder_config=_detr()),
    'OneFormer': lambda: dict(
        _MASKS, backbone_config=_swin(), hidden_dim=32, mask_dim=32, conv_dim=32, encoder_feedforward_dim=16,
        dim_feedforward=16, text_encoder_width=16, text_encoder_num_layers=1, text_encoder_context_length=8,
        text_encoder_n_ctx=2, text_encoder_vocab_size=50, task_seq_len=len(TASK_TOKENS), is_training=False),
    'Eomt': lambda: dict(_VISION, num_blocks=1, num_queries=7, num_upscale_blocks=1),
}
"""Options of the config of each family by the name of the family."""
BY_MASKS = ('Mask2Former', 'MaskFormer', 'OneFormer', 'Eomt')


def transformers_config(family, **options):
    """Config of the smallest network of a family."""
    import transformers
    kind = getattr(transformers, f'{family}Config')
    return kind(**{'num_labels': CLASSES, **TRANSFORMERS[family](), **options})


def transformers_network(family, seed=0, **options):
    """The network of that config, without its heads for training."""
    from mmseg_uncertainty.models.bases.transformers_files import load_network
    torch.manual_seed(seed)
    return shaken(load_network(transformers_config(family, **options), None))


def shaken(network):
    """A network with weights so random that its output varies over an image."""
    with torch.no_grad():
        for module in network.modules():
            weight = getattr(module, 'weight', None)
            if isinstance(module, nn.Embedding):
                weight.normal_()
            elif isinstance(weight, torch.Tensor) and weight.dim() > 1:
                nn.init.kaiming_normal_(weight)
    return network.eval()


def balanced(network, classifier, inputs):
    """The network with a classifier whose answers are 0 on average, so that every class is predicted somewhere."""
    kept = []
    hook = classifier.register_forward_hook(lambda _, __, output: kept.append(output))
    with torch.no_grad():
        network(inputs)
        hook.remove()
        if classifier.bias is None:
            classifier.bias = nn.Parameter(torch.zeros(classifier.out_channels))
        classifier.bias -= kept[-1].mean(dim=(0, 2, 3))
    return network


class Plain(nn.Module):
    """A small network of plain PyTorch at a quarter of the input size."""

    def __init__(self, classes=CLASSES, channels=12, end=None):
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, channels, 3, stride=2, padding=1), nn.BatchNorm2d(channels), nn.ReLU(),
            nn.Conv2d(channels, channels, 3, stride=2, padding=1), nn.ReLU())
        self.dropout = nn.Dropout2d(0.1)
        self.classifier = nn.Conv2d(channels, classes, 1)
        self.end = end or nn.Identity()

    def forward(self, images):
        return self.end(self.classifier(self.dropout(self.stem(images))))
