"""The REST endpoints, pyos's user tokens, the operator's page, and the server for all of them."""
