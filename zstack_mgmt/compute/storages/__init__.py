"""Storages: where volumes and images are said to be. There is one of each, made with the database."""
