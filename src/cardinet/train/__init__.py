"""Recipes, the loop, exact resume. Called, it trains: `cardinet.train("resnet18", "flowers/")`, see `python.train`."""
