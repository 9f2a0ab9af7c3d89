"""The REST endpoints, pyos's user tokens, the operator's page, and the server for all of them.

`rest` has the endpoints, `tokens` identifies the user, and `routes` decides which paths reach
CherryPy at all. `test_page` serves the files in ``static``, and `look` examines servers for it.
`serve` runs everything on cheroot, with the connection classes of `connections`.
"""
