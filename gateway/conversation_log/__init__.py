"""The conversation log service: the only writer of `cg.conversations`."""
