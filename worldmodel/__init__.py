"""Small neural world models of web applications, trained from their traces."""
