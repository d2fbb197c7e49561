"""Where the dressed picture goes: a window, nowhere, a recording."""
