"""The declarations the platform itself brings; strategies bring their own."""
