"""Plain values in, a frozen `WebRTCConfig` out: every rule that can be checked offline."""
