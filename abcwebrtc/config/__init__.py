"""From plain values to a frozen `WebRTCConfig`: every rule that can be checked offline.

`webrtc` builds the configuration; `checked_file` reads a whole od.config for it. Each entry has a
module: `coturn`, `ice_servers`, `desktop`, and `sound` (with the rules of Kubernetes in
`container_fields`). They share `uris`, `secret_sources`, `problems` and `frozen`. `release` tells
which abcdesktop an od.config is for.
"""
