"""Tests against real programs: coturn, and abcwebrtc as a process of its own."""
