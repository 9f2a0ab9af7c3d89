"""The ``abcwebrtc`` command: a module for each command. It parses, delegates and prints."""
