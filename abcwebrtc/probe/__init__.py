"""A real STUN Binding, TURN allocation and relay round trip, and what each means.

`targets` are what is probed; `runner` does the `steps` with all of them at once, by way of
`paths`, `turn_session`, `stun_client` and `messages`. What was seen is in the `model`.
`diagnosis`, `path_diagnosis` and `comparison` say what it means, in the words of `causes`;
`report` is for people and programs, `exporter` for Prometheus. `accepted_secrets` asks coturn for
``rotate check``, and `watch` for ``serve --probe``.

Only `runner`, `accepted_secrets`, `watch` and the modules that these use load aioice.
"""
