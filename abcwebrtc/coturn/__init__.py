"""turnserver.conf: written, read and compared; certificates; rotation of the secret.

`conf` writes one, `conf_file` reads one, and `check` compares it with od.config; `options`,
`addresses`, `server` and `certificate` are what they share. `this_machine` and `file_access` look
at the machine that coturn runs on. `rotation` knows how secrets hang together; `rotation_plan`,
`rotation_check` and `new_secret` are for the three commands of ``rotate``.
"""
