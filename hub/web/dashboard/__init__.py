"""The dashboard: static files that use only the public GraphQL API; no build step, no Node."""
