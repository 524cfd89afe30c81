"""Part `display` of the Python driver."""


def show_rich(value):
    return False


def show_figures():
    pass


def forget_figures():
    pass
