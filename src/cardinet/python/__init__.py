"""What a program or a notebook calls, where that needs more than one room below."""
