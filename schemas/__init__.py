"""Every shape that crosses a boundary: tables, settings, reasons, manifest and errors. Imports nothing else of the project."""
