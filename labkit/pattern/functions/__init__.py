"""The functions of the pattern: one file a function, and the nouns they share.

==================  ===============================  =============================================
file                runs on                          does
==================  ===============================  =============================================
``place_order``     ``POST /orders`` (HTTP API)      starts the execution, answers with the URL
``connect``         ``$connect`` (WebSocket API)     spends the ticket, writes who listens
``subscribe``       ``subscribe`` (WebSocket API)    writes it again, delivers what is stored
``disconnect``      ``$disconnect`` (WebSocket API)  forgets the connection
``default``         ``$default`` (WebSocket API)     tells a client what it can send
``do_work``         ``DoWork`` (state machine)       prices the order and reserves its stock
``release_stock``   ``ReleaseStock`` (the same)      takes a reservation back when the work failed
==================  ===============================  =============================================

``order``, ``ticket`` and ``message`` are rules without I/O; ``execution`` and ``connection`` are the
items in DynamoDB.  All of it is one deployment package: a function's handler is
``functions.<file>.handler``.
"""
