"""The rule `escalation`: from bot to people — who asked for it, which bot is silent, and what came of it."""
