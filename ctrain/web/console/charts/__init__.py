"""Pictures as SVG, drawn on the server by pure functions: text in its own size at every width of a page.

Places along the width are percentages, so that a picture fits a phone and a wall; heights are pixels. Colours
come from the style sheet by class; nothing here carries a style of its own.
"""
