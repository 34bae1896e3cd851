"""The claims of the papers, each with an experiment at three scales and a rule of verdict older than its runs."""
