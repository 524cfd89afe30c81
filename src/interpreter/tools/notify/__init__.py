"""Messages to people, over the services that a person has configured by name."""
