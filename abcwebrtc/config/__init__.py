"""Plain values in, a frozen `WebRTCConfig` out: every rule that can be checked offline.

`webrtc` puts it together, for which `checked_file` reads an od.config as a whole. Each entry has
a module: `coturn`, `ice_servers`, `desktop`, and `sound` (what Kubernetes takes is in
`container_fields`). They share `uris`, `secret_sources`, `problems` and `frozen`. `release` says
which abcdesktop an od.config is for.
"""
