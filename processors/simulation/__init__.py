"""The simulation: all rules, the log and fake channels in one process, on a virtual clock, led by one seed."""
