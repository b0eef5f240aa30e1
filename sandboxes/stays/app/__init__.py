"""The booking site: pages, tools and the services behind both."""
