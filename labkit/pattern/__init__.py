"""The reference implementation of the pattern.  It runs on AWS as it is, and does not know labkit.

    client ──POST /orders──▶ place_order ──▶ item in DynamoDB, execution started
       ◀── 202 {orderId, executionArn, websocketUrl?ticket=…} ──
    client ══websocketUrl══▶ $connect: spend the ticket, write who listens
    client ── subscribe ───▶ write it again, deliver what is stored
                             DoWork → SaveResult → GetConn → Notify ══ result ══▶ client

Read in this order: ``state_machine.asl.json``, ``functions/`` (its docstring lists them),
``client.py``, ``build.py``.  Beside the product's own promise, one rule carries the whole: *each side
writes its own half, then reads the other's*; ``functions/execution.py`` says why that is enough.
"""
