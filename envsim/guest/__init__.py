"""What runs beside a clone: its kit, its control operations and the servers in front of it."""
