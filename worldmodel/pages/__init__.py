"""Page programs found in traces: how an answer reads, as templates and lists over request, account and state."""
