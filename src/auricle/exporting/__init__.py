"""Export to ONNX and torch.export, with int8 quantisation."""
