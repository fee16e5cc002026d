"""Models for other runtimes: ONNX, in float32 or int8, and `torch.export` programs."""
