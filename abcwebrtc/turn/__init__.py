"""TURN credentials, and the rtc_configuration that browsers get with them."""
