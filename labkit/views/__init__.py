"""Pictures of what happened.  They read the event log and nothing else.

Read ``picture`` (how a picture gets into a notebook and stays there), then ``sequence``.
"""
