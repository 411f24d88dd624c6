"""The rule `offline`: whether the department's offline message is sent."""
