"""The fastest way to run a network on this machine: chosen by measurement among what is installed, and verified."""
