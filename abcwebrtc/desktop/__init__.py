"""Desktop pods: STUN_SERVER, TURN_SERVER, the sound container, and its Secret."""
