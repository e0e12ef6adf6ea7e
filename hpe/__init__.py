"""The science of pose and segmentation training: plain PyTorch, no cluster, search or tracker."""
