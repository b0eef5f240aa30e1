"""What the shop does, independent of how it is asked: functions of (Kit, values) on its database."""
