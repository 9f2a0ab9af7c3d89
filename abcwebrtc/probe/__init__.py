"""A real STUN Binding, TURN allocation and relay round trip, and a diagnosis of each.

`model`, the diagnoses, `targets`, `report` and `messages` are pure; `wire`, `plainsocket`,
`session`, `login`, `packets`, `outside` and `runner` reach the servers.
"""
