"""What the site does, independent of how it is asked: functions of (Kit or Actor, values) on its database."""
