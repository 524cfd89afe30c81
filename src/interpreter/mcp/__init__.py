"""A door for programs that speak the Model Context Protocol: what a session can do, as an MCP server.

The program at the other end stands where the model stands in other sessions: what it calls is read, judged and
logged as a model's calls are.
"""
