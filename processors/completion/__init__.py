"""The rule `completion`: proposes the warning and the completion after silence when they are due."""
