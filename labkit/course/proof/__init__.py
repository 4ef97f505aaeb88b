"""The proof that the checks teach: each is tried with answers whose fate is known.

Read ``trial`` (what is tried and what must come of it), then ``desk`` (how one answer is tried), then
``prover``.  ``demand`` holds what needs no run, ``mutant`` makes wrong answers out of the solution.
"""
