"""What Step Functions needs beside an interpreter of the States Language; knows nothing of moto.

===============  =================================================================================
``definition``   which definitions CreateStateMachine refuses, with AWS's sentences
``resources``    which task resources there are, and how their errors are named
``emulated``     what AWS takes and the local cloud cannot run, or runs in another way
``express``      Express state machines: ARNs, refusals, the bill
``errors``       which error a Retry or Catch matches
``jsonata``      JSONata with Step Functions' variables and functions
``api_call``     the task ``apigateway:invoke``: its request and its result
``sdk_metadata`` what an optimised integration adds to an answer
``history``      what the event log says about an execution
``progress``     how far the states of an execution have come, for one that goes on
``redrive``      which executions can go on
``running``      threads, waits and time of an execution that can be stopped
===============  =================================================================================
"""
