"""What the site does; raises `Refusal` in words for whoever asked."""
