"""The relay shown at work, from signed events to tickets, with every claim checked.

scenes     what happens, in order            stage     the running stack, for the scenes
claims     what must be true afterwards      screen    a live table, or plain lines
partner    who sends, and how it signs       subscriber who hears how events ended
"""
