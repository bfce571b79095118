"""A page on loopback that shows what an arm sees, imagines, tries and does, while it does.

`LivePage` serves it; what happens in other processes comes through a `Feed`. Both need the extra `live`.
"""
