"""The operator's command line. It is never deployed: it reads a stack and its table, and its only write is the relay's
own redrive.
"""
