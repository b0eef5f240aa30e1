"""The discussion site: pages, tools and the services behind both."""
