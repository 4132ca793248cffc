"""A collection as a table: each image measured, and what the images together say."""
