"""Engines: what calls the same work for many items, in this process or in processes of Ray."""
