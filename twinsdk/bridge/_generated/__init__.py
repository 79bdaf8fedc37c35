"""Readers and writers generated from schema/twin.fbs; never edited by hand."""
