"""For every test: a property is judged by its values, never by the time that a machine takes to try them."""

from hypothesis import settings

settings.register_profile("without_deadline", deadline=None)
settings.load_profile("without_deadline")
