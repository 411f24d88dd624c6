"""One folder per channel; `contract.py` says what a channel is."""
