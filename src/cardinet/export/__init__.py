"""Export models to ONNX, torch.export and OpenVINO, also in INT8. Each file is checked by running it.

The package can be called: `cardinet.export(model, "model.onnx")`, see `job.export_file`.
"""
