"""Where the composed picture goes: a window, nowhere, a recording."""
