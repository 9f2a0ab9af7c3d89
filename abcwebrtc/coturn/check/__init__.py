"""Rules that find what is wrong in a turnserver.conf for the servers of od.config.

A rule is a function that takes a `KnownConf` and yields problems: ``yield conf.error(at, message)``
reports an error at a setting, or at the last setting of an option. Put a new rule into the module
of its subject, and call it from that module's ``check_...``:

- options: options that a version does not know, that cancel each other, or that open coturn
- login: the secret, the login options, the realm
- limits: relay ports, quotas, rates
- peers: denied ranges, and what overrides them
- addresses: coturn's own addresses, one by one
- nat: public addresses, and whether relays reach each other
- urls: ports, transports and the certificate of each url
- clients: STUN, redirects, address families, ciphers

`conf_file` reads the lines, and reports those that coturn reads differently from how they look.
"""
