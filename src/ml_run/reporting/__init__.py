"""Results to Markdown, HTML and figures."""
