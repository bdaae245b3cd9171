"""The GraphQL door: the schema, and the sockets it is served over."""
