"""Settings: words of a command line and YAML files, checked and put together."""
