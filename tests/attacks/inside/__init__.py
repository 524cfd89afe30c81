"""What an attacker would run behind the walls. Standard library only: these files are copied inside."""
