"""The command line: one file per verb, thin (parse, check, call, print). Data goes to stdout, talk to stderr."""
