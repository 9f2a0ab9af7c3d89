"""A real STUN Binding, TURN allocation and relay round trip, and a diagnosis of each.

`model`, `diagnosis`, `targets` and `report` are pure; `wire`, `session`, `login`
and `runner` reach the servers.
"""
