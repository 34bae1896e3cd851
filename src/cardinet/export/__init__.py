"""Models as files for other runtimes: ONNX, torch.export, OpenVINO; INT8; each file is proven by running it.

Called, it writes one: `cardinet.export(model, "model.onnx")`, see `job.export_file`.
"""
