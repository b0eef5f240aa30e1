"""Rules found in traces: what a request does to the state, as short expressions over what is known before it."""
