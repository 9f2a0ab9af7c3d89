"""What is wrong in a turnserver.conf for the servers that od.config names.

A rule is a function that takes a `KnownConf` and yields problems: ``yield conf.error(at, message)``
is an error at a setting, or at the last one of an option. It stands in the module of its subject,
whose ``check_...`` calls it:

- options: versions that don't know an option, options that cancel each other, openness
- login: the secret, the options for logins, the realm
- limits: ports of relays, quotas, rates
- peers: what is denied, and what lifts that
- addresses: coturn's own, each by itself
- nat: what stands for them on the Internet, and whether relays reach each other
- urls: ports, transports and the certificate of each url
- clients: STUN, redirects, address families, ciphers

`conf_file` reads the lines, and says which of them coturn reads otherwise than they look.
"""
