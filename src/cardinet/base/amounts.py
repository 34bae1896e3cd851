"""A number with its noun, for every sentence that counts something."""

from __future__ import annotations


def amount(number: int, noun: str, between: str = " ") -> str:
    """ "1 picture", "1,797 pictures", "2 classes", "3 branches". The noun follows what stands `between`."""
    many = noun + ("es" if noun.endswith(("ch", "s", "x")) else "s")
    return f"{number:,d}{between}{noun if number == 1 else many}"
