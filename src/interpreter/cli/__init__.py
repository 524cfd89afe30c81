"""The door for people: arguments, one task, a conversation, management."""
