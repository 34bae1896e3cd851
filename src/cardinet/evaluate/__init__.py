"""Exact metrics over a source. Called, it evaluates a model: `cardinet.evaluate(model, "flowers/")`, see `job`."""
