"""Export to ONNX and to torch.export programs, with int8 quantisation."""
