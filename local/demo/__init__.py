"""The relay shown at work, from signed events to tickets, with every claim checked.

scenes     what happens, in order            stage     the stack, as the scenes act on it and look at it
claims     what must be true afterwards      screen    a live table, or plain lines
partner    who sends, and how it signs
"""
