"""The scripts of cheats: what they try, step by step."""
