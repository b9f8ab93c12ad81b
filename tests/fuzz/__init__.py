"""Every reader on damaged copies of its valid files: only a result or one clear line may come of it.

`python -m tests.fuzz --mutations 100000` is the long run; the suite makes a short one.
"""
