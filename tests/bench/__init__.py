"""The benchmark: krbxmlrpc beside the limits of what is possible, and beside other transports, on one real Apache.

`contestants` lists who is measured, with `limits` and `peers`; `cases` lists what is measured. `benchmark` makes a run:
it starts `processes`, which are `worker` for calls and `decoding` for replies that are in memory; `imports` and
`instructions` measure what their names say. `report` makes a result with `goals`, and `tables` and `chart` show it.
`features` measures no speed. ``python -m bench`` runs it all; ``tests/bench/run.sh`` sets up what that needs.
"""
