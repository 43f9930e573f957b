"""A hub of kobo's, as a project sets one up: Apache runs it with the system's Python (`servers.kobohub`)."""
