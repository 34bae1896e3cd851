"""`python -m cardinet` is `cardinet`."""

from cardinet.cli.main import run

if __name__ == "__main__":
    run()
