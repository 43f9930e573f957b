"""Draws the pictures of the documents, as SVG. ``python docs/pictures/draw.py`` draws all of them again.

`drawing` has the shapes and the colours. `exchange`, `paths`, `structure` and `performance` draw one picture each.
`imports` reads the imports of the package.
"""
