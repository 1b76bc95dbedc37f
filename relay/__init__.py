"""The operator's command line. It is never deployed: it reads the table of a stack, and its only write is the relay's
own redrive.
"""
