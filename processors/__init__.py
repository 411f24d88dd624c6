"""Rules over conversation events: pure steps, each with a thin Faust agent."""
