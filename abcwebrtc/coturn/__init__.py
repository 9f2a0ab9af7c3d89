"""turnserver.conf: write, read and check it; certificates; rotation of the secret.

`conf` writes the file, `conf_file` reads it, and `check` compares it with od.config. They share
`options`, `addresses`, `server` and `certificate`. `this_machine` and `file_access` look at the
machine that coturn runs on. `rotation` knows which entries share a secret; `rotation_plan`,
`rotation_check` and `new_secret` serve the commands of ``rotate``.
"""
