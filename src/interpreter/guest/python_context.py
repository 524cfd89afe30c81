"""Part `context` of the Python driver."""


def facts(error, name):
    return {}
