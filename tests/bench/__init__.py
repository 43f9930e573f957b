"""The benchmark: krbxmlrpc beside the limits of what is possible, and beside other transports, on one real Apache.

`contestants` says how each of them makes a call, `worker` is the process in which one of them is measured, `report`
makes tables and a chart of the measurements, and ``python -m bench`` runs it all; ``tests/bench/run.sh`` sets up what
that needs.
"""
