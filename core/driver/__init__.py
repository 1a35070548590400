"""How the house speaks with PostgreSQL: Django's backend with a connection that waits as seldom as it can."""
