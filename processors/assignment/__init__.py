"""The rule `assignment`: gives waiting conversations to agents."""
