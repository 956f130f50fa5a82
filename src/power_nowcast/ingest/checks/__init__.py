"""Rules of which published values may enter the tables; `ingest.validate` applies them in their order."""
