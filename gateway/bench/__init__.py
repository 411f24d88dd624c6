"""`gateway bench`: the speed targets of DESIGN section 7, each beside a bare loop measured in the same run."""
