"""The command line ``mirror``: one module a group of commands, each loaded when it is called."""
