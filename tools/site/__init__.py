"""What the pages under docs/ need beside Markdown: links to lines of code, and the tables of all settings."""
