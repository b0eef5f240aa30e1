"""Console scripts: small files that parse, call and print."""
