"""The schema compiler: reads qapi/*.schema and writes C tables, prototypes and reference pages."""
