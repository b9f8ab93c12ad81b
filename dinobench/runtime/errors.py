"""The exceptions that a user is meant to read, each as one line."""


class InputError(Exception):
    """Bad input or usage: one line that says what is wrong, where, and what to do.

    The command line prints it without a traceback and exits with code 2.
    """


class RunFailedError(Exception):
    """A run that failed by itself, such as a training that diverged: one line that says what happened and what to do.

    The command line prints it without a traceback and exits with code 1.
    """


class ProcessError(RuntimeError):
    """Another process failed or is gone; this one is sound, but the work that they share cannot go on.

    The command line prints it without a traceback, which the process that failed prints, and exits with code 1.
    """
