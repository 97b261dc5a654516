"""How fast keyaudit is beside others: see README.md in this folder."""
