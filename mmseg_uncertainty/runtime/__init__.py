"""What runs without torch: reading images, ONNX models, files and pictures of predictions."""
