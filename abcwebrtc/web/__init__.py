"""The REST endpoints, pyos's user tokens, the operator's page, and the server for all of them.

`rest` has the endpoints, `tokens` says who asks, and `routes` which paths reach CherryPy at all.
`test_page` serves the files of ``static``, and `look` looks at servers for it. `serve` runs all
that on cheroot, with the `connections` of its own.
"""
