"""The one exception that a user is meant to read."""


class InputError(Exception):
    """Bad input or usage: one line that says what is wrong, where, and what to do.

    The command line prints it without a traceback and exits with code 2.
    """
